// RunInit on the real kernel: who the program is and what it may do.

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "shim/init/init.h"
#include "shim/init/sync.h"
#include "shim/init/testing/container.h"
#include "shim/init/testing/init_test.h"

namespace gantry::init {
namespace {

using absl::StrContains;
using testing::Container;
using testing::InitTest;
using testing::Outcome;
using testing::ReadAll;

void DropAllCapabilities(plan::Identity& identity) {
  identity.set_cap_bounding(0);
  identity.set_cap_effective(0);
  identity.set_cap_permitted(0);
}

TEST_F(InitTest, RunsAsPidOneWithItsOwnHostname) {
  Container container;
  Outcome outcome = container.Run("echo $$; hostname; exit 7");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "1\ninside\n");
  EXPECT_EQ(outcome.exit_code, 7);
  EXPECT_TRUE(outcome.ready);
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

TEST_F(InitTest, TellsOfAFailureBeforeItHasItsDescriptors) {
  absl::StatusOr<SyncPair> sync = MakeSyncPair();
  ASSERT_TRUE(sync.ok()) << sync.status();
  const pid_t child = fork();
  if (child == 0) {
    const rlimit no_more = {.rlim_cur = 3, .rlim_max = 3};
    setrlimit(RLIMIT_NOFILE, &no_more);
    RunExec(ExecPlan(), {.sync_fd = sync->child.get()});
  }
  sync->child.Reset();
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 127);
  const auto report = ReadReport(sync->parent.get());
  ASSERT_TRUE(report.ok() && report->has_value()) << report.status();
  EXPECT_EQ((*report)->kind, Report::Kind::kFailed);
  EXPECT_TRUE(
      StrContains((*report)->failure.message(), "duplicate a descriptor"))
      << (*report)->failure;
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

}  // namespace
}  // namespace gantry::init
