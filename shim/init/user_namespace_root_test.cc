// Containers whose root is an ordinary user of the host, on the real kernel.

#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "shim/init/testing/container.h"

namespace gantry::init {
namespace {

using ::gantry::testing::StatusIs;
using testing::Container;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;

constexpr uint32_t kFirst = Container::kFirstHostId;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The rest of the line "NAME:\t..." of /proc/PID/status.
std::string StatusField(pid_t pid, const std::string& name) {
  std::istringstream lines(ReadAll(absl::StrCat("/proc/", pid, "/status")));
  for (std::string line; std::getline(lines, line);) {
    if (absl::StartsWith(line, name + ":\t")) {
      return line.substr(name.size() + 2);
    }
  }
  return "";
}

std::string OwnerOf(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
  return absl::StrCat(info.st_uid, ":", info.st_gid);
}

// The host's mount table must be as before after every test.
class UserNamespaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    mounts_ = ReadAll("/proc/self/mountinfo");
    container_.UseUserNamespace();
  }
  void TearDown() override {
    EXPECT_EQ(ReadAll("/proc/self/mountinfo"), mounts_);
  }

  plan::MountStep* AddBind(const std::string& source, const std::string& target,
                           uint64_t attributes = 0) {
    plan::MountStep* step = container_.plan().add_mounts();
    step->set_kind(plan::MountStep::BIND);
    step->set_source(source);
    step->set_target(target);
    step->set_attributes(attributes);
    step->set_id_mapped(true);
    return step;
  }

  Container container_;
  std::string mounts_;
};

TEST_F(UserNamespaceTest, RootInsideIsAnOrdinaryUserOutside) {
  ASSERT_OK(container_.Start("sleep 1000"));
  const pid_t pid = container_.pid();
  const std::string four =
      absl::StrCat(kFirst, "\t", kFirst, "\t", kFirst, "\t", kFirst);
  EXPECT_EQ(StatusField(pid, "Uid"), four);
  EXPECT_EQ(StatusField(pid, "Gid"), four);
  EXPECT_EQ(StatusField(pid, "Groups"), absl::StrCat(kFirst, " "));
  EXPECT_EQ(StatusField(pid, "CapInh"), "0000000000000000");
  std::istringstream map(ReadAll(absl::StrCat("/proc/", pid, "/uid_map")));
  uint32_t inside = 1, outside = 0, length = 0;
  map >> inside >> outside >> length;
  EXPECT_EQ(inside, 0u);
  EXPECT_EQ(outside, kFirst);
  EXPECT_EQ(length, 65536u);
}

TEST_F(UserNamespaceTest, TheRootfsBelongsToRootInside) {
  ASSERT_EQ(
      chown(container_.HostPath("layers/base/etc/group").c_str(), 1000, 1001),
      0);
  Outcome outcome = container_.Run(
      "for f in / /bin/busybox /etc/group /dev /dev/shm /dev/pts/ptmx /proc/1; "
      "do stat -c '%n %u:%g' $f; done; echo x > /new; echo y >> /etc/group");
  ASSERT_OK(outcome.start);
  EXPECT_EQ(outcome.output,
            "/ 0:0\n/bin/busybox 0:0\n/etc/group 1000:1001\n/dev 0:0\n"
            "/dev/shm 0:0\n/dev/pts/ptmx 0:0\n/proc/1 0:0\n");
  EXPECT_EQ(outcome.exit_code, 0);
  // On the disk are the numbers inside: a layer can be committed as it is.
  EXPECT_EQ(OwnerOf(container_.HostPath("upper/new")), "0:0");
  EXPECT_EQ(OwnerOf(container_.HostPath("upper/etc/group")), "1000:1001");
}

TEST_F(UserNamespaceTest, VolumesAreMapped) {
  container_.MakeDirectory("volume");
  container_.WriteFile("volume/root", "r");
  container_.WriteFile("volume/app", "a");
  container_.WriteFile("single", "s");
  ASSERT_EQ(chown(container_.HostPath("volume/app").c_str(), 1000, 1001), 0);
  ASSERT_EQ(chmod(container_.HostPath("volume").c_str(), 0777), 0);
  AddBind(container_.HostPath("volume"), "/volume");
  AddBind(container_.HostPath("single"), "/etc/single");
  container_.plan().mutable_identity()->mutable_user()->set_user("app");
  Outcome outcome = container_.Run(
      "stat -c '%u:%g' /volume/root /volume/app /etc/single; "
      "echo x > /volume/made; echo x > /volume/app; echo x > /volume/root");
  ASSERT_OK(outcome.start);
  EXPECT_THAT(outcome.output, ::testing::StartsWith("0:0\n1000:1001\n0:0\n"));
  // The last one is not the user's to write.
  EXPECT_THAT(outcome.output, HasSubstr("Permission denied"));
  EXPECT_EQ(OwnerOf(container_.HostPath("volume/made")), "1000:1001");
  EXPECT_EQ(ReadAll(container_.HostPath("volume/root")), "r");
}

TEST_F(UserNamespaceTest, AVolumeThatCannotBeMappedIsNamed) {
  AddBind("/sys/kernel", "/volume");
  EXPECT_THAT(container_.Run("true").start,
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("bind /sys/kernel to /volume: its file "
                                 "system, or one")));
}

TEST_F(UserNamespaceTest, WhatTheHostMountedStaysAsItIs) {
  container_.MakeDirectory("volume");
  AddBind(container_.HostPath("volume"), "/ro", MOUNT_ATTR_RDONLY);
  container_.plan().add_masked_paths("/etc/passwd");
  Outcome outcome = container_.Run(
      "mkdir /t; mount -t tmpfs own /t && echo own; "
      "mount -o remount,bind,rw /ro || echo refused; "
      "umount /ro || echo refused; umount /etc/passwd || echo refused; "
      "mount -o remount,bind,rw /sys || echo refused; cat /etc/passwd");
  ASSERT_OK(outcome.start);
  EXPECT_THAT(outcome.output, HasSubstr("own\n"));
  int refused = 0;
  for (size_t at = 0;
       (at = outcome.output.find("refused\n", at)) != std::string::npos; ++at) {
    ++refused;
  }
  EXPECT_EQ(refused, 4) << outcome.output;
  EXPECT_THAT(outcome.output, Not(HasSubstr("root:x")));
}

TEST_F(UserNamespaceTest, DevicesKeepTheHostsOwner) {
  Outcome outcome = container_.Run(
      "stat -c '%u:%g' /dev/null; echo x > /dev/null && echo writable; "
      "mknod /dev/x c 1 5 2>/dev/null || echo none made; "
      "chmod 600 /dev/null 2>/dev/null || echo kept");
  ASSERT_OK(outcome.start);
  EXPECT_EQ(outcome.output, "65534:65534\nwritable\nnone made\nkept\n");
}

TEST_F(UserNamespaceTest, UsersAreThoseInside) {
  container_.plan().mutable_identity()->mutable_user()->set_user("app");
  container_.plan().set_cwd("/made/for/it");
  Outcome outcome =
      container_.Run("id -u; id -g; id -G; stat -c '%u:%g' .; echo $HOME");
  ASSERT_OK(outcome.start);
  EXPECT_EQ(outcome.output, "1000\n1001\n1001 77\n1000:1001\n/home/app\n");
  EXPECT_EQ(outcome.started.user().uid(), 1000u);
  EXPECT_EQ(OwnerOf(container_.HostPath("upper/made/for/it")), "1000:1001");
}

TEST_F(UserNamespaceTest, AnIdThatIsNotMappedIsNamed) {
  spec::User* user = container_.plan().mutable_identity()->mutable_user();
  user->set_user("65536");
  EXPECT_THAT(container_.Run("true").start,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("user 65536 is not mapped")));
  user->set_user("65535");
  EXPECT_OK(container_.Run("true").start);
  user->add_supplemental_gids(70000);
  EXPECT_THAT(container_.Run("true").start,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("group 70000 is not mapped")));
}

TEST_F(UserNamespaceTest, ATerminalBelongsToTheUser) {
  container_.plan().set_terminal(true);
  container_.plan().mutable_identity()->mutable_user()->set_user("app");
  Outcome outcome = container_.Run("tty; stat -c %u $(tty); echo x > /dev/tty");
  ASSERT_OK(outcome.start);
  EXPECT_EQ(outcome.output, "/dev/pts/0\r\n1000\r\nx\r\n");
}

TEST_F(UserNamespaceTest, AFilterNeedsNoNoNewPrivs) {
  // Allows everything.
  const uint16_t code = 0x06;  // BPF_RET | BPF_K
  std::string program(8, '\0');
  memcpy(program.data(), &code, sizeof(code));
  const uint32_t allow = 0x7fff0000;
  memcpy(program.data() + 4, &allow, sizeof(allow));
  container_.plan().mutable_identity()->set_seccomp_program(program);
  Outcome outcome =
      container_.Run("grep -E 'Seccomp:|NoNew' /proc/self/status");
  ASSERT_OK(outcome.start);
  EXPECT_EQ(outcome.output, "NoNewPrivs:\t0\nSeccomp:\t2\n");
}

TEST_F(UserNamespaceTest, ManyLayersTakeTwoMountsThatNobodySees) {
  plan::OverlayPlan* overlay =
      container_.plan().mutable_rootfs()->mutable_overlay();
  constexpr int kLayers = 120;
  for (int i = 0; i < kLayers; ++i) {
    const std::string name = absl::StrCat("layer", i);
    container_.MakeDirectory("layers/" + name);
    container_.WriteFile(absl::StrCat("layers/", name, "/file", i), "x");
    overlay->add_lower_dirs(name);
  }
  Outcome outcome = container_.Run(
      "ls / | grep -c ^file; stat -c %u /file119; "
      "grep -c ' / / ' /proc/self/mountinfo");
  ASSERT_OK(outcome.start);
  EXPECT_EQ(outcome.output, "120\n0\n1\n");
}

TEST_F(UserNamespaceTest, AnExecIsInIt) {
  ASSERT_OK(container_.Start("sleep 1000"));
  ExecPlan plan;
  plan.identity = container_.plan().identity();
  plan.args = {"sh", "-c",
               "for ns in mnt uts user; do test $(readlink /proc/1/ns/$ns) = "
               "$(readlink /proc/self/ns/$ns) || echo $ns differs; done"};
  plan.env = {"PATH=/bin"};
  Outcome outcome = container_.Exec(plan);
  ASSERT_OK(outcome.start);
  EXPECT_EQ(outcome.output, "");
  plan.identity.mutable_user()->set_user("app");
  plan.args = {"sh", "-c",
               "id -u; id -G; cat /proc/self/uid_map; "
               "grep CapInh /proc/self/status; ls /proc/self/fd | wc -l"};
  outcome = container_.Exec(plan);
  ASSERT_OK(outcome.start);
  EXPECT_EQ(outcome.output,
            absl::StrCat("1000\n1001 77\n         0     ", kFirst,
                         "      65536\nCapInh:\t0000000000000000\n4\n"));
  // Its terminal belongs to it, too.
  plan.args = {"sh", "-c", "stat -c %u $(tty)"};
  plan.terminal = true;
  outcome = container_.Exec(plan);
  ASSERT_OK(outcome.start);
  EXPECT_EQ(outcome.output, "1000\r\n");
}

TEST_F(UserNamespaceTest, DiesWithTheShim) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  const pid_t shim = fork();
  if (shim == 0) {
    if (!container_.Start("sleep 1000").ok()) _exit(1);
    const pid_t pid = container_.pid();
    if (write(fds[1], &pid, sizeof(pid)) != sizeof(pid)) _exit(2);
    pause();
  }
  close(fds[1]);
  pid_t pid = -1;
  ASSERT_EQ(read(fds[0], &pid, sizeof(pid)), static_cast<ssize_t>(sizeof(pid)));
  close(fds[0]);
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  EXPECT_TRUE(pidfd);
  kill(shim, SIGKILL);
  ASSERT_EQ(waitpid(shim, nullptr, 0), shim);
  pollfd ended = {pidfd.get(), POLLIN, 0};
  EXPECT_EQ(poll(&ended, 1, 10000), 1);
}

TEST_F(UserNamespaceTest, WithoutTheDescriptorItDoesNotStart) {
  Container bare;
  bare.namespaces().set_user(plan::NamespacePlan::JOIN);
  EXPECT_THAT(bare.Run("true").start,
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("join user namespace")));
}

}  // namespace
}  // namespace gantry::init
