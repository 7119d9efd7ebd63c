// RunInit and RunExec on the real kernel, over a rootfs of busybox.

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"
#include "shim/init/testing/container.h"

namespace gantry::init {
namespace {

using absl::StrContains;
using testing::Container;
using testing::Outcome;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string Hostname() {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  return name;
}

void AddBind(Container& container, const std::string& source,
             const std::string& target, uint64_t attributes = 0) {
  plan::MountStep* step = container.plan().add_mounts();
  step->set_kind(plan::MountStep::BIND);
  step->set_source(source);
  step->set_target(target);
  step->set_attributes(attributes);
}

void DropAllCapabilities(plan::Identity& identity) {
  identity.set_cap_bounding(0);
  identity.set_cap_effective(0);
  identity.set_cap_permitted(0);
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

// Each test checks that the host's mount table and name are as before.
class InitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    mounts_ = ReadAll("/proc/self/mountinfo");
    hostname_ = Hostname();
  }
  void TearDown() override {
    EXPECT_EQ(ReadAll("/proc/self/mountinfo"), mounts_);
    EXPECT_EQ(Hostname(), hostname_);
  }

 private:
  std::string mounts_;
  std::string hostname_;
};

TEST_F(InitTest, RunsAsPidOneWithItsOwnHostname) {
  Container container;
  Outcome outcome = container.Run("echo $$; hostname; exit 7");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "1\ninside\n");
  EXPECT_EQ(outcome.exit_code, 7);
  EXPECT_TRUE(outcome.ready);
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

TEST_F(InitTest, NoDescriptorBeyondTheStandardOnesIsOpen) {
  // One that isn't close-on-exec, as a careless caller could leave.
  UniqueFd leak(open("/etc", O_RDONLY));
  ASSERT_TRUE(leak);
  Container container;
  Outcome outcome = container.Run("cd /proc/self/fd; echo *");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  // The shell expands with a directory open.
  EXPECT_TRUE(outcome.output == "0 1 2 3\n" || outcome.output == "0 1 2\n")
      << outcome.output;
  outcome = container.Run("ls -l /proc/self/fd");
  EXPECT_FALSE(StrContains(outcome.output, "/etc")) << outcome.output;
  EXPECT_TRUE(StrContains(outcome.output, "0 -> /dev/null")) << outcome.output;
}

TEST_F(InitTest, UserByNameHasGroupsAndHome) {
  Container container;
  container.plan().mutable_identity()->mutable_user()->set_user("app");
  Outcome outcome = container.Run("id -u; id -G; echo $HOME");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "1000\n1001 77\n/home/app\n");
  EXPECT_EQ(outcome.started.user().uid(), 1000u);
  EXPECT_EQ(outcome.started.user().groups(1), 77u);
}

TEST_F(InitTest, AnUnknownUserFailsTheStartAndSaysSo) {
  Container container;
  container.plan().mutable_identity()->mutable_user()->set_user("ghost");
  Outcome outcome = container.Run("true");
  EXPECT_EQ(outcome.start.message(),
            "resolve user: user \"ghost\": no such entry in /etc/passwd of the "
            "rootfs");
  EXPECT_FALSE(outcome.ready);
  EXPECT_EQ(outcome.exit_code, 127);
}

TEST_F(InitTest, CapabilitiesAreExactlyThePlans) {
  Container container;
  plan::Identity& identity = *container.plan().mutable_identity();
  identity.set_cap_bounding(0x21);
  identity.set_cap_effective(0x21);
  identity.set_cap_permitted(0x21);
  identity.set_no_new_privs(true);
  Outcome outcome = container.Run("grep -E 'Cap|NoNew' /proc/self/status");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output,
            "CapInh:\t0000000000000000\nCapPrm:\t0000000000000021\n"
            "CapEff:\t0000000000000021\nCapBnd:\t0000000000000021\n"
            "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n");
}

TEST_F(InitTest, AmbientCapabilitiesReachAnOrdinaryUser) {
  Container container;
  plan::Identity& identity = *container.plan().mutable_identity();
  identity.mutable_user()->set_user("1000");
  identity.set_cap_bounding(0x401);
  identity.set_cap_effective(0x401);
  identity.set_cap_permitted(0x401);
  identity.set_cap_inheritable(0x400);
  identity.set_cap_ambient(0x400);
  Outcome outcome = container.Run("grep Cap /proc/self/status");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output,
            "CapInh:\t0000000000000400\nCapPrm:\t0000000000000400\n"
            "CapEff:\t0000000000000400\nCapBnd:\t0000000000000401\n"
            "CapAmb:\t0000000000000400\n");
}

TEST_F(InitTest, ACapabilityThatCannotBeHadIsNamedNotFatal) {
  Container container;
  plan::Identity& identity = *container.plan().mutable_identity();
  identity.set_cap_permitted(~uint64_t{0});
  identity.set_cap_effective(~uint64_t{0});
  container.plan().add_degraded("from the planner");
  Outcome outcome = container.Run("true");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  ASSERT_GE(outcome.started.degraded_size(), 2);
  EXPECT_EQ(outcome.started.degraded(0), "from the planner");
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

TEST_F(InitTest, WorkingDirectoryIsMadeAndOwnedByTheUser) {
  Container container;
  container.plan().mutable_identity()->mutable_user()->set_user("app");
  container.plan().set_cwd("/srv/here");
  Outcome outcome = container.Run("pwd; stat -c %u:%g . ..");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "/srv/here\n1000:1001\n0:0\n");
}

TEST_F(InitTest, AWorkingDirectoryThroughADescriptorIsRefused) {
  UniqueFd leak(open("/", O_RDONLY | O_DIRECTORY));
  ASSERT_TRUE(leak);
  for (int fd = 0; fd < 40; ++fd) {
    Container container;
    container.plan().set_cwd(absl::StrCat("/proc/self/fd/", fd));
    Outcome outcome = container.Run("true");
    EXPECT_FALSE(outcome.start.ok()) << fd;
    if (fd > 12) fd += 9;
  }
  Container container;
  ASSERT_EQ(symlink(absl::StrCat("/proc/self/fd/", leak.get()).c_str(),
                    container.HostPath("layers/base/way-out").c_str()),
            0);
  container.plan().set_cwd("/way-out/etc");
  EXPECT_FALSE(container.Run("true").start.ok());
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
  step->add_options("memory:memory");
  step->add_options("systemd:name=systemd");
  step->add_options("unified:");
  Outcome outcome = container.Run(
      "ls /sys/fs/cgroup; grep cgroup /proc/self/mountinfo; touch "
      "/sys/fs/cgroup/x /sys/fs/cgroup/memory/x 2>/dev/null || echo refused");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_TRUE(StrContains(outcome.output, "memory\nsystemd\nunified\n"))
      << outcome.output;
  EXPECT_TRUE(StrContains(outcome.output, "refused\n")) << outcome.output;
  EXPECT_TRUE(StrContains(outcome.output, "/sys/fs/cgroup/memory ro"))
      << outcome.output;
}

TEST_F(InitTest, RlimitsUpToWhatIsAllowed) {
  Container container;
  plan::RlimitPlan* limit = container.plan().mutable_identity()->add_rlimits();
  limit->set_resource(RLIMIT_NOFILE);
  limit->set_soft(100);
  limit->set_hard(200);
  limit = container.plan().mutable_identity()->add_rlimits();
  limit->set_resource(RLIMIT_NOFILE);
  limit->set_soft(1 << 30);
  limit->set_hard(uint64_t{1} << 40);
  Outcome outcome = container.Run("ulimit -n; ulimit -Hn");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "200\n200\n");
  ASSERT_EQ(outcome.started.degraded_size(), 1);
  EXPECT_TRUE(StrContains(outcome.started.degraded(0), "EPERM, set to 200"));
}

TEST_F(InitTest, OomScoreAsFarAsAllowed) {
  Container container;
  container.plan().set_oom_score_adj(333);
  Outcome outcome = container.Run("cat /proc/self/oom_score_adj");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "333\n");
  container.plan().set_oom_score_adj(-999);
  outcome = container.Run("cat /proc/self/oom_score_adj");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_TRUE(outcome.output == "-999\n" ||
              outcome.started.degraded_size() == 1)
      << outcome.output;
}

TEST_F(InitTest, KernelParametersOfOwnNamespaces) {
  Container container;
  (*container.plan().mutable_sysctls())["net/ipv4/ip_unprivileged_port_start"] =
      "77";
  container.plan().add_readonly_paths("/proc/sys");
  const std::string before =
      ReadAll("/proc/sys/net/ipv4/ip_unprivileged_port_start");
  Outcome outcome =
      container.Run("cat /proc/sys/net/ipv4/ip_unprivileged_port_start");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "77\n");
  EXPECT_EQ(ReadAll("/proc/sys/net/ipv4/ip_unprivileged_port_start"), before);
}

TEST_F(InitTest, ASeccompFilterBitesWithAndWithoutNoNewPrivs) {
  // mkdir: EPERM; everything else is allowed.
  const sock_filter kCode[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  for (bool no_new_privs : {false, true}) {
    Container container;
    plan::Identity& identity = *container.plan().mutable_identity();
    DropAllCapabilities(identity);
    identity.set_no_new_privs(no_new_privs);
    identity.set_seccomp_program(kCode, sizeof(kCode));
    Outcome outcome = container.Run(
        "mkdir /d 2>/dev/null || echo refused; grep -E 'Seccomp:|CapEff' "
        "/proc/self/status");
    ASSERT_TRUE(outcome.start.ok()) << outcome.start;
    EXPECT_EQ(outcome.output,
              "refused\nCapEff:\t0000000000000000\nSeccomp:\t2\n");
  }
}

TEST_F(InitTest, ExecFailuresSayWhat) {
  Container container;
  container.plan().add_args("no-such-program");
  Outcome outcome = container.Run("");
  EXPECT_EQ(outcome.start.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(outcome.start.message(),
            "exec \"no-such-program\": ENOENT: No such file or directory");
  container.plan().set_args(0, "/etc/passwd");
  outcome = container.Run("");
  EXPECT_EQ(ErrnoOf(outcome.start), EACCES);
}

TEST_F(InitTest, SignalsAndUmaskAreTheDefaults) {
  signal(SIGPIPE, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  Container container;
  container.plan().add_args("grep");
  container.plan().add_args("-E");
  container.plan().add_args("SigBlk|SigIgn|Umask");
  container.plan().add_args("/proc/self/status");
  Outcome outcome = container.Run("");
  sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  signal(SIGPIPE, SIG_DFL);
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output,
            "Umask:\t0022\nSigBlk:\t0000000000000000\n"
            "SigIgn:\t0000000000000000\n");
}

TEST_F(InitTest, ATerminalIsTheControllingOneAndTheConsole) {
  Container container;
  container.plan().set_terminal(true);
  container.plan().add_args("sh");
  container.plan().add_args("-c");
  container.plan().add_args(
      "test \"$(tty)\" = /dev/pts/0 && echo x > /dev/tty && test -c "
      "/dev/console && exit 5");
  Outcome outcome = container.Run("");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_EQ(outcome.output, "x\r\n");
}

TEST_F(InitTest, PropagationBothWaysOnlyWhereAsked) {
  // In a mount namespace of its own, so that the host's table stays as it is.
  pid_t child = fork();
  if (child == 0) _exit(TryPropagation());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
}

TEST_F(InitTest, ThePauseReapsAndEndsOnSigterm) {
  Container container;
  container.plan().set_pause(true);
  container.plan().mutable_rootfs()->set_empty(true);
  container.plan().mutable_rootfs()->set_read_only(true);
  container.plan().clear_mounts();
  container.plan().clear_symlinks();
  DropAllCapabilities(*container.plan().mutable_identity());
  container.plan().mutable_identity()->set_no_new_privs(true);
  absl::Status started = container.Start("");
  ASSERT_TRUE(started.ok()) << started;
  const std::string proc = absl::StrCat("/proc/", container.pid());
  // The end of the stream comes from the pause itself; its name is set before.
  EXPECT_EQ(ReadAll(proc + "/comm"), "pause\n");
  EXPECT_TRUE(
      StrContains(ReadAll(proc + "/status"), "CapEff:\t0000000000000000\n"));
  EXPECT_EQ(container.Stop(SIGTERM), 0);
}

TEST_F(InitTest, DiesWithTheShimAlsoAsAnotherUser) {
  Container container;
  container.plan().mutable_identity()->mutable_user()->set_user("app");
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  pid_t shim = fork();
  if (shim == 0) {
    if (!container.Start("sleep 1000").ok()) _exit(1);
    pid_t pid = container.pid();
    if (write(fds[1], &pid, sizeof(pid)) != sizeof(pid)) _exit(2);
    pause();
  }
  close(fds[1]);
  pid_t pid = -1;
  ASSERT_EQ(read(fds[0], &pid, sizeof(pid)), sizeof(pid));
  close(fds[0]);
  UniqueFd pidfd(syscall(SYS_pidfd_open, pid, 0));
  EXPECT_TRUE(pidfd);
  kill(shim, SIGKILL);
  ASSERT_EQ(waitpid(shim, nullptr, 0), shim);
  pollfd ended = {pidfd.get(), POLLIN, 0};
  EXPECT_EQ(poll(&ended, 1, 10000), 1);
}

class ExecTest : public InitTest {
 protected:
  ExecPlan Plan(const std::string& script) {
    ExecPlan plan;
    plan.identity = container_.plan().identity();
    plan.args = {"sh", "-c", script};
    plan.env = {"PATH=/bin"};
    return plan;
  }
  Container container_;
};

TEST_F(ExecTest, JoinsEverything) {
  ASSERT_TRUE(container_.Start("echo > /mark; sleep 1000").ok());
  Outcome outcome = container_.Exec(
      Plan("hostname; test $$ -gt 1 && cat /proc/1/comm; for ns in mnt uts ipc "
           "net pid cgroup; do test $(readlink /proc/1/ns/$ns) = $(readlink "
           "/proc/self/ns/$ns) || echo $ns differs; done; exit 3"));
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "inside\nsleep\n");
  EXPECT_EQ(outcome.exit_code, 3);
}

TEST_F(ExecTest, OtherUserWorkingDirectoryAndNoDescriptors) {
  UniqueFd leak(open("/etc", O_RDONLY));
  ASSERT_TRUE(container_.Start("sleep 1000").ok());
  ExecPlan plan = Plan("id -u; pwd; ls -l /proc/self/fd; echo $HOME");
  plan.identity.mutable_user()->set_user("app");
  plan.cwd = "/bin";
  Outcome outcome = container_.Exec(plan);
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_TRUE(absl::StartsWith(outcome.output, "1000\n/bin\n"));
  EXPECT_TRUE(absl::EndsWith(outcome.output, "/home/app\n"));
  EXPECT_FALSE(StrContains(outcome.output, "/etc\n")) << outcome.output;
}

TEST_F(ExecTest, BadWorkingDirectoriesAreRefused) {
  ASSERT_TRUE(container_.Start("sleep 1000").ok());
  ExecPlan plan = Plan("true");
  plan.cwd = "/missing";
  EXPECT_EQ(container_.Exec(plan).start.code(), absl::StatusCode::kNotFound);
  for (int fd = 0; fd < 16; ++fd) {
    plan.cwd = absl::StrCat("/proc/self/fd/", fd);
    EXPECT_FALSE(container_.Exec(plan).start.ok()) << fd;
  }
}

TEST_F(ExecTest, ATerminalOfItsOwn) {
  ASSERT_TRUE(container_.Start("sleep 1000").ok());
  ExecPlan plan = Plan("test \"$(tty)\" = /dev/pts/0 && exit 9");
  plan.terminal = true;
  plan.width = 80;
  plan.height = 25;
  Outcome outcome = container_.Exec(plan);
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.exit_code, 9);
  winsize size = {};
  ASSERT_EQ(ioctl(outcome.console.get(), TIOCGWINSZ, &size), 0);
  EXPECT_EQ(size.ws_col, 80);
}

TEST_F(ExecTest, AFakeDevptsIsRefused) {
  ASSERT_TRUE(container_
                  .Start("umount /dev/pts; mkdir -p /dev/pts; echo > "
                         "/dev/pts/ptmx; echo > /ok; sleep 1000")
                  .ok());
  for (int i = 0; i < 100; ++i) {
    if (access(container_.HostPath("upper/ok").c_str(), F_OK) == 0) break;
    usleep(20000);
  }
  ExecPlan plan = Plan("true");
  plan.terminal = true;
  EXPECT_TRUE(StrContains(container_.Exec(plan).start.message(),
                          "/dev/pts is not a devpts"));
}

}  // namespace
}  // namespace gantry::init
