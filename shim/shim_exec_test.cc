// Execs of the real gantry-shim.

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "shim/testing/shim_case.h"
#include "shim/testing/shim_harness.h"

namespace gantry::shim::testing {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

int CountFds(pid_t pid) {
  int count = 0;
  DIR* dir = opendir(absl::StrCat("/proc/", pid, "/fd").c_str());
  if (dir == nullptr) return -1;
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count - 2;
}

TEST_F(ShimTest, ExecGivesOutputAndExitCode) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  ASSERT_OK_AND_ASSIGN(
      auto outcome,
      harness().Exec(*client, {"sh", "-c", "cat; echo err >&2; exit 3"},
                     "input\n"));
  EXPECT_EQ(outcome.output, "input\nerr\n");
  EXPECT_EQ(outcome.exit_code, 3);
  // It is in the container's PID namespace and cgroups.
  ASSERT_OK_AND_ASSIGN(outcome,
                       harness().Exec(*client, {"cat", "/proc/1/comm"}));
  EXPECT_EQ(outcome.output, "sleep\n");
  ASSERT_OK_AND_ASSIGN(outcome,
                       harness().Exec(*client, {"cat", "/proc/self/cgroup"}));
  EXPECT_THAT(outcome.output, ::testing::Not(HasSubstr("gantry")));
  // In one hierarchy in a cgroup of its own below the container's.
  EXPECT_THAT(outcome.output, HasSubstr(":/exec-"));
  ASSERT_OK_AND_ASSIGN(const std::string own,
                       sys::ReadFileAt(AT_FDCWD, "/proc/self/cgroup"));
  if (absl::StrContains(own, ":memory:")) {
    EXPECT_THAT(outcome.output, HasSubstr(":memory:/\n"));
  }
}

TEST_F(ShimTest, ExecOfAMissingProgramIsAnError) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  EXPECT_THAT(
      harness().Exec(*client, {"no-such-program"}),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("no-such-program")));
  // And of one that is not meant.
  EXPECT_THAT(harness().Exec(*client, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_OK(harness().Exec(*client, {"true"}));
}

TEST_F(ShimTest, FiveHundredExecsLeaveNoDescriptor) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  ASSERT_OK(harness().Exec(*client, {"true"}));
  const int before = CountFds(harness().shim_pid());
  ASSERT_GT(before, 0);
  for (int i = 0; i < 500; ++i) {
    ASSERT_OK_AND_ASSIGN(
        auto outcome,
        harness().Exec(*client, {i % 50 == 0 ? "false" : "true"}));
    ASSERT_EQ(outcome.exit_code, i % 50 == 0 ? 1 : 0);
    if (i % 50 == 0) {
      ASSERT_FALSE(harness().Exec(*client, {"no-such-program"}).ok());
    }
  }
  EXPECT_EQ(CountFds(harness().shim_pid()), before);
}

TEST_F(ShimTest, ExecSignalReachesTheWholeTree) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  Envelope request;
  ExecRequest* exec = request.mutable_exec_request();
  exec->set_exec_id("tree");
  for (const char* arg : {"sh", "-c",
                          "sleep 501 & (sleep 502 & sleep 503) & "
                          // A daemon: forked twice, in a session of its own.
                          "(setsid sh -c 'sleep 505 & exit' &); sleep 504"}) {
    exec->add_args(arg);
  }
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(request));
  ASSERT_TRUE(answer.message.has_exec_started())
      << answer.message.error().message();
  for (int number = 501; number <= 505; ++number) {
    ASSERT_TRUE(WaitForProcess(*client, absl::StrCat("sleep ", number), true));
  }
  Envelope kill;
  kill.mutable_exec_signal_request()->set_exec_id("tree");
  kill.mutable_exec_signal_request()->set_signal(SIGKILL);
  kill.mutable_exec_signal_request()->set_tree(true);
  ASSERT_OK_AND_ASSIGN(answer, client->Ask(kill));
  EXPECT_TRUE(answer.message.has_done()) << answer.message.error().message();
  ASSERT_OK_AND_ASSIGN(Received ended,
                       client->NextEvent([](const Envelope& event) {
                         return event.has_exec_exited();
                       }));
  EXPECT_EQ(ended.message.exec_exited().exit_code(), 137);
  for (int number = 501; number <= 505; ++number) {
    EXPECT_TRUE(WaitForProcess(*client, absl::StrCat("sleep ", number), false));
  }
  EXPECT_TRUE(WaitForProcess(*client, "sleep 1000", true));
  ASSERT_OK_AND_ASSIGN(answer, client->Ask(kill));
  EXPECT_EQ(answer.message.error().code(),
            static_cast<int>(absl::StatusCode::kNotFound));
}

TEST_F(ShimTest, ExecWithTerminalHandsItsMasterOver) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  Envelope request;
  ExecRequest* exec = request.mutable_exec_request();
  exec->set_exec_id("tty");
  for (const char* arg : {"sh", "-c", "stty size; read x; echo got $x"}) {
    exec->add_args(arg);
  }
  exec->set_terminal(true);
  exec->set_width(91);
  exec->set_height(17);
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(request));
  ASSERT_TRUE(answer.message.has_exec_started())
      << answer.message.error().message();
  ASSERT_EQ(answer.fds.size(), 1u);
  ASSERT_OK(sys::WriteAll(answer.fds[0].get(), "word\n"));
  std::string output;
  char buffer[1000];
  for (;;) {
    const ssize_t size = read(answer.fds[0].get(), buffer, sizeof(buffer));
    if (size <= 0) break;
    output.append(buffer, static_cast<size_t>(size));
  }
  EXPECT_THAT(output, HasSubstr("17 91"));
  EXPECT_THAT(output, HasSubstr("got word"));
}

}  // namespace
}  // namespace gantry::shim::testing
