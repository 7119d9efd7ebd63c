// Rootfs and mounts as init makes them on the real kernel.

#include <errno.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "shim/init/testing/container.h"
#include "shim/init/testing/init_test.h"

namespace gantry::init {
namespace {

using absl::StrContains;
using testing::Container;
using testing::InitTest;
using testing::Outcome;
using testing::ReadAll;

void AddBind(Container& container, const std::string& source,
             const std::string& target, uint64_t attributes = 0) {
  plan::MountStep* step = container.plan().add_mounts();
  step->set_kind(plan::MountStep::BIND);
  step->set_source(source);
  step->set_target(target);
  step->set_attributes(attributes);
}

// 0 if mounts made in the container come out through a bidirectional bind and
// through no other; else the number of the check that failed.
int TryPropagation() {
  if (unshare(CLONE_NEWNS) != 0) return 1;
  mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  Container container;
  container.MakeDirectory("shared");
  const std::string shared = container.HostPath("shared");
  if (mount("tmpfs", shared.c_str(), "tmpfs", 0, nullptr) != 0) return 2;
  mount(nullptr, shared.c_str(), nullptr, MS_SHARED, nullptr);
  container.MakeDirectory("shared/a");
  container.MakeDirectory("shared/b");
  AddBind(container, shared, "/both");
  container.plan()
      .mutable_mounts(container.plan().mounts_size() - 1)
      ->set_propagation(spec::BIDIRECTIONAL);
  AddBind(container, shared, "/none");
  Outcome outcome = container.Run(
      "mount -t tmpfs none /both/a && mount -t tmpfs none /none/b && touch "
      "/both/a/seen /none/b/unseen");
  int result = 0;
  if (!outcome.start.ok() || outcome.exit_code != 0) result = 4;
  if (access((shared + "/a/seen").c_str(), F_OK) != 0) result = 5;
  if (access((shared + "/b/unseen").c_str(), F_OK) == 0) result = 6;
  umount2((shared + "/a").c_str(), MNT_DETACH);
  umount2(shared.c_str(), MNT_DETACH);
  return result;
}

TEST_F(InitTest, SeesItsOwnMountsOnly) {
  Container container;
  Outcome outcome = container.Run("cat /proc/self/mountinfo");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  std::istringstream lines(outcome.output);
  std::vector<std::string> points;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 5; ++i) words >> word;
    points.push_back(word);
  }
  EXPECT_EQ(points,
            (std::vector<std::string>{"/", "/proc", "/dev", "/sys", "/dev/pts",
                                      "/dev/shm", "/dev/mqueue"}))
      << outcome.output;
}

TEST_F(InitTest, MaskedPathsAreEmptyAndReadOnlyOnesAreReadOnly) {
  Container container;
  container.plan().add_masked_paths("/proc/interrupts");
  container.plan().add_masked_paths("/sys/firmware");
  container.plan().add_masked_paths("/proc/irq");
  container.plan().add_masked_paths("/proc/no-such-thing");
  container.plan().add_readonly_paths("/proc/sys");
  Outcome outcome = container.Run(
      "stat -c '%t:%T' /proc/interrupts; ls /sys/firmware /proc/irq; "
      "touch /proc/irq/x 2>/dev/null || echo masked; "
      "echo x 2>/dev/null > /proc/sys/kernel/domainname || echo refused");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_TRUE(StrContains(outcome.output, "1:3\n")) << outcome.output;
  EXPECT_TRUE(StrContains(outcome.output, "masked\n")) << outcome.output;
  EXPECT_TRUE(StrContains(outcome.output, "refused\n") ||
              StrContains(outcome.output, "Read-only"))
      << outcome.output;
}

TEST_F(InitTest, AReadOnlyRootfsRefusesWritesButHasItsMountPoints) {
  Container container;
  container.plan().mutable_rootfs()->set_read_only(true);
  container.MakeDirectory("data");
  AddBind(container, container.HostPath("data"), "/deep/new/data");
  Outcome outcome = container.Run(
      "touch /x 2>/dev/null || echo refused; touch /deep/new/data/y && echo "
      "written");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "refused\nwritten\n");
  EXPECT_EQ(access(container.HostPath("data/y").c_str(), F_OK), 0);
}

TEST_F(InitTest, BindsOfFilesAndReadOnlyBinds) {
  Container container;
  container.MakeDirectory("data");
  container.WriteFile("file", "content\n");
  AddBind(container, container.HostPath("file"), "/etc/bound");
  AddBind(container, container.HostPath("data"), "/ro", MOUNT_ATTR_RDONLY);
  Outcome outcome =
      container.Run("cat /etc/bound; touch /ro/x 2>/dev/null || echo refused");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "content\nrefused\n");
}

TEST_F(InitTest, AMissingBindSourceIsNamed) {
  Container container;
  AddBind(container, "/no/such/source", "/x");
  Outcome outcome = container.Run("true");
  EXPECT_EQ(outcome.start.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(StrContains(outcome.start.message(),
                          "set up mounts: bind /no/such/source to /x: "))
      << outcome.start;
  container.plan()
      .mutable_mounts(container.plan().mounts_size() - 1)
      ->set_optional(true);
  EXPECT_TRUE(container.Run("true").start.ok());
}

TEST_F(InitTest, SymlinkedTargetsStayInTheRootfs) {
  Container container;
  container.MakeDirectory("data");
  container.WriteFile("data/mark", "mark\n");
  ASSERT_EQ(symlink("/../../../../tmp",
                    container.HostPath("layers/base/link").c_str()),
            0);
  AddBind(container, container.HostPath("data"), "/link/inside");
  Outcome outcome = container.Run("cat /tmp/inside/mark");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "mark\n");
  EXPECT_NE(access("/tmp/inside", F_OK), 0);
}

TEST_F(InitTest, AnImageWithSymlinkedProcSysOrDevIsRefused) {
  for (const char* name : {"proc", "sys", "dev"}) {
    Container container;
    ASSERT_EQ(
        symlink("/etc",
                container.HostPath(absl::StrCat("layers/base/", name)).c_str()),
        0);
    Outcome outcome = container.Run("true");
    EXPECT_TRUE(
        StrContains(outcome.start.message(), absl::StrCat("/", name,
                                                          " of the image is a "
                                                          "symbolic link")))
        << outcome.start;
  }
}

TEST_F(InitTest, ALinkToProcDoesNotLetAMountCoverIt) {
  Container container;
  container.MakeDirectory("data");
  ASSERT_EQ(symlink("/proc", container.HostPath("layers/base/data").c_str()),
            0);
  AddBind(container, container.HostPath("data"), "/data");
  Outcome outcome = container.Run("true");
  EXPECT_TRUE(StrContains(outcome.start.message(), "procfs")) << outcome.start;
}

TEST_F(InitTest, FourLayersWithWhiteoutsShowTheUnion) {
  Container container;
  plan::OverlayPlan& overlay =
      *container.plan().mutable_rootfs()->mutable_overlay();
  overlay.clear_lower_dirs();
  for (const char* layer : {"l3", "l2", "l1"}) {
    container.MakeDirectory(absl::StrCat("layers/", layer));
    overlay.add_lower_dirs(layer);
  }
  overlay.add_lower_dirs("base");
  container.WriteFile("layers/l1/one", "1\n");
  container.WriteFile("layers/l1/gone", "x\n");
  container.WriteFile("layers/l2/one", "2\n");
  container.WriteFile("layers/l2/two", "2\n");
  ASSERT_EQ(mknod(container.HostPath("layers/l3/gone").c_str(), S_IFCHR,
                  makedev(0, 0)),
            0);
  Outcome outcome = container.Run(
      "cat /one /two; ls /gone 2>/dev/null || echo deleted; echo new > /one; "
      "rm /two");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "2\n2\ndeleted\n");
  EXPECT_EQ(ReadAll(container.HostPath("layers/l2/one")), "2\n");
  EXPECT_EQ(ReadAll(container.HostPath("upper/one")), "new\n");
  struct stat whiteout = {};
  ASSERT_EQ(stat(container.HostPath("upper/two").c_str(), &whiteout), 0);
  EXPECT_TRUE(S_ISCHR(whiteout.st_mode));
}

TEST_F(InitTest, AHundredAndTwentyLayersMount) {
  Container container;
  plan::OverlayPlan& overlay =
      *container.plan().mutable_rootfs()->mutable_overlay();
  overlay.clear_lower_dirs();
  for (int i = 119; i >= 1; --i) {
    // As long as a real layer's name.
    std::string name = absl::StrCat(std::string(61, 'a'), 100 + i);
    container.MakeDirectory("layers/" + name);
    container.WriteFile(absl::StrCat("layers/", name, "/f", i), "x");
    overlay.add_lower_dirs(name);
  }
  overlay.add_lower_dirs("base");
  Outcome outcome = container.Run("ls / | grep -c '^f'");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "119\n");
}

TEST_F(InitTest, OneMissingLayerAmongManyIsSaidToBeMissing) {
  Container container;
  plan::OverlayPlan& overlay =
      *container.plan().mutable_rootfs()->mutable_overlay();
  for (int i = 0; i < 100; ++i) overlay.add_lower_dirs(std::string(64, 'n'));
  Outcome outcome = container.Run("true");
  EXPECT_EQ(ErrnoOf(outcome.start), ENOENT) << outcome.start;
}

TEST_F(InitTest, OneLayerWithoutAnUpperDirectoryIsReadOnly) {
  Container container;
  plan::OverlayPlan& overlay =
      *container.plan().mutable_rootfs()->mutable_overlay();
  overlay.clear_upper_dir();
  overlay.clear_work_dir();
  for (const char* dir : {"proc", "dev", "sys"}) {
    container.MakeDirectory(absl::StrCat("layers/base/", dir));
  }
  Outcome outcome = container.Run("touch /x 2>/dev/null || echo refused");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "refused\n");
}

TEST_F(InitTest, ABrokenRootfsNamesTheOverlayAndTheErrno) {
  Container container;
  container.plan().mutable_rootfs()->mutable_overlay()->add_lower_dirs("none");
  Outcome outcome = container.Run("true");
  EXPECT_TRUE(StrContains(outcome.start.message(),
                          absl::StrCat("set up rootfs: mount overlay on ",
                                       container.HostPath("root"))))
      << outcome.start;
  EXPECT_EQ(ErrnoOf(outcome.start), ENOENT);
}

TEST_F(InitTest, CgroupsAreMountedReadOnlyAndShowOnlyItsOwn) {
  Container container;
  plan::MountStep* step = container.plan().add_mounts();
  step->set_kind(plan::MountStep::CGROUP);
  step->set_target("/sys/fs/cgroup");
  step->set_attributes(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  // cgroup2 alone is the whole of the directory.
  const bool alone =
      !StrContains(ReadAll("/proc/self/cgroup"), ":name=systemd:");
  if (alone) {
    step->add_options(":");
  } else {
    step->add_options("memory:memory");
    step->add_options("systemd:name=systemd");
    step->add_options("unified:");
  }
  Outcome outcome = container.Run(
      "ls /sys/fs/cgroup; grep cgroup /proc/self/mountinfo; touch "
      "/sys/fs/cgroup/x /sys/fs/cgroup/memory/x 2>/dev/null || echo refused");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_TRUE(StrContains(outcome.output, "refused\n")) << outcome.output;
  EXPECT_TRUE(StrContains(
      outcome.output, alone ? "cgroup.procs\n" : "memory\nsystemd\nunified\n"))
      << outcome.output;
  EXPECT_TRUE(StrContains(
      outcome.output, alone ? "/sys/fs/cgroup ro" : "/sys/fs/cgroup/memory ro"))
      << outcome.output;
}

TEST_F(InitTest, PropagationBothWaysOnlyWhereAsked) {
  // In a mount namespace of its own, so that the host's table stays as it is.
  pid_t child = fork();
  if (child == 0) _exit(TryPropagation());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
}

}  // namespace
}  // namespace gantry::init
