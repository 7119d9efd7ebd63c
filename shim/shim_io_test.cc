// Input, output, terminal and log of the real gantry-shim's container.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/clock.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "shim/testing/shim_case.h"
#include "shim/testing/shim_harness.h"

namespace gantry::shim::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(ShimTest, ReopenedLogGetsTheLinesThatFollow) {
  auto client = harness().Start(harness().MakePlan(
      {"sh", "-c",
       "echo one; while ! [ -e /tmp/go ]; do sleep 0.02; done; "
       "echo two; sleep 1000"}));
  ASSERT_THAT(harness().WaitForLogLines(1), ElementsAre("stdout F one"));
  const std::string log = harness().Path("log");
  ASSERT_EQ(rename(log.c_str(), harness().Path("log.1").c_str()), 0);
  UniqueFd next(
      open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  Envelope request;
  request.mutable_reopen_log_request();
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(request));
  EXPECT_EQ(answer.message.error().code(),
            static_cast<int>(absl::StatusCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(answer, client->Ask(request, {next.get()}));
  EXPECT_TRUE(answer.message.has_done());
  ASSERT_OK(harness().Exec(*client, {"sh", "-c", ">/tmp/go"}));
  EXPECT_THAT(harness().WaitForLogLines(1), ElementsAre("stdout F two"));
}

TEST_F(ShimTest, InputFromAttachOutputToAttachAndLog) {
  plan::ContainerPlan plan = harness().MakePlan({"cat"});
  plan.mutable_stdio()->set_stdin(true);
  plan.mutable_stdio()->set_stdin_once(true);
  auto client = harness().Start(plan);
  int in[2];
  int out[2];
  ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
  Envelope request;
  request.mutable_attach_request()->set_has_stdin(true);
  request.mutable_attach_request()->set_has_stdout(true);
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(request, {in[0], out[1]}));
  EXPECT_TRUE(answer.message.has_done());
  close(in[0]);
  close(out[1]);
  ASSERT_OK(sys::WriteAll(in[1], "hello\n"));
  close(in[1]);
  ASSERT_OK_AND_ASSIGN(std::string echoed, sys::ReadFd(out[0]));
  close(out[0]);
  EXPECT_EQ(echoed, "hello\n");
  ASSERT_OK_AND_ASSIGN(Received exited, client->NextEvent(IsExited));
  EXPECT_EQ(exited.message.exited().exit_code(), 0);
  EXPECT_THAT(harness().LogLines(), ElementsAre("stdout F hello"));
}

TEST_F(ShimTest, TerminalIsLoggedAndResized) {
  plan::ContainerPlan plan =
      harness().MakePlan({"sh", "-c", "echo on; read x; stty size"});
  plan.mutable_stdio()->set_terminal(true);
  plan.mutable_stdio()->set_stdin(true);
  plan.mutable_init()->set_terminal(true);
  auto client = harness().Start(plan);
  EXPECT_THAT(harness().WaitForLogLines(1), Contains("stdout F on\r"));
  Envelope resize;
  resize.mutable_resize_request()->set_width(100);
  resize.mutable_resize_request()->set_height(33);
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(resize));
  EXPECT_TRUE(answer.message.has_done());
  int in[2];
  ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
  Envelope attach;
  attach.mutable_attach_request()->set_has_stdin(true);
  ASSERT_OK(client->Ask(attach, {in[0]}));
  close(in[0]);
  ASSERT_OK(sys::WriteAll(in[1], "x\n"));
  ASSERT_OK(client->NextEvent(IsExited));
  close(in[1]);
  EXPECT_THAT(harness().LogLines(), Contains("stdout F 33 100\r"));
}

TEST_F(ShimTest, NoLineIsLostAtTheEnd) {
  auto client = harness().Start(harness().MakePlan({"seq", "1", "200000"}));
  ASSERT_OK(client->NextEvent(IsExited, 60000));
  std::vector<std::string> lines = harness().LogLines();
  ASSERT_EQ(lines.size(), 200000u);
  for (int i = 0; i < 200000; ++i) {
    ASSERT_EQ(lines[i], absl::StrCat("stdout F ", i + 1));
  }
}

TEST_F(ShimTest, BackgroundProcessDoesNotHoldTheExitUp) {
  plan::ContainerPlan plan =
      harness().MakePlan({"sh", "-c", "sleep 1000 & echo done"});
  // In the host's PID namespace nothing kills it but the shim.
  plan.mutable_namespaces()->set_pid(plan::NamespacePlan::HOST);
  auto client = harness().Start(plan);
  ASSERT_OK_AND_ASSIGN(Received exited, client->NextEvent(IsExited));
  EXPECT_EQ(exited.message.exited().exit_code(), 0);
  EXPECT_THAT(harness().LogLines(), ElementsAre("stdout F done"));
  ASSERT_TRUE(harness().WaitForShim());
  EXPECT_THAT(harness().CgroupDirectories(), IsEmpty());
}

TEST_F(ShimTest, LogThatIsFullHoldsTheContainerNotTheShim) {
  plan::ContainerPlan plan =
      harness().MakePlan({"sh", "-c", "seq 1 100; sleep 1000"});
  plan.mutable_stdio()->set_log_path("/dev/full");
  auto client = harness().Start(plan);
  // It has written all its lines: what the log does not take is held.
  ASSERT_TRUE(WaitForProcess(*client, "sleep 1000", true));
  Envelope state;
  state.mutable_state_request();
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(state));
  EXPECT_FALSE(answer.message.state().has_exited());
  UniqueFd next(open(harness().Path("log").c_str(),
                     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  Envelope reopen;
  reopen.mutable_reopen_log_request();
  ASSERT_OK(client->Ask(reopen, {next.get()}));
  EXPECT_EQ(harness().WaitForLogLines(100).size(), 100u);
  EXPECT_EQ(harness().LogLines().front(), "stdout F 1");
}

// Who kills waits: the server takes a shim that is silent for four seconds for
// stuck, and how the program ended would be lost with it.
TEST_F(ShimTest, KilledContainerDoesNotWaitForALogThatIsFull) {
  plan::ContainerPlan plan = harness().MakePlan(
      {"sh", "-c", "trap '' TERM; while :; do seq 1 9; done"});
  plan.mutable_stdio()->set_log_path("/dev/full");
  auto client = harness().Start(plan);
  const int64_t begin = RealClock().BootNanos();
  ASSERT_OK(client->Ask(SignalMessage(SIGKILL, /*all=*/true)));
  ASSERT_OK_AND_ASSIGN(Received exited, client->NextEvent(IsExited));
  const double seconds =
      static_cast<double>(RealClock().BootNanos() - begin) / 1e9;
  EXPECT_EQ(exited.message.exited().signal(), SIGKILL);
  EXPECT_LT(seconds, 2);
}

TEST_F(ShimTest, KillEndsTheWaitForALogAfterTheProgramsOwnEnd) {
  plan::ContainerPlan plan =
      harness().MakePlan({"sh", "-c", "seq 1 9; exit 7"});
  plan.mutable_stdio()->set_log_path("/dev/full");
  auto client = harness().Start(plan);
  // It has ended once there is nothing that a signal could be sent to.
  bool ended = false;
  for (int i = 0; i < 1000 && !ended; ++i) {
    ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(SignalMessage(0)));
    ended = answer.message.has_error();
    usleep(5000);
  }
  ASSERT_TRUE(ended);
  const int64_t begin = RealClock().BootNanos();
  ASSERT_OK(client->Ask(SignalMessage(SIGKILL, /*all=*/true)));
  ASSERT_OK_AND_ASSIGN(Received exited, client->NextEvent(IsExited));
  const double seconds =
      static_cast<double>(RealClock().BootNanos() - begin) / 1e9;
  EXPECT_EQ(exited.message.exited().exit_code(), 7);
  EXPECT_LT(seconds, 2);
}

}  // namespace
}  // namespace gantry::shim::testing
