// RunExec on the real kernel: programs that join a container of busybox.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/base/unique_fd.h"
#include "shim/init/testing/container.h"
#include "shim/init/testing/init_test.h"

namespace gantry::init {
namespace {

using absl::StrContains;
using testing::Container;
using testing::InitTest;
using testing::Outcome;

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
