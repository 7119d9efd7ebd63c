#include "server/shim/shim_client.h"

#include <errno.h>
#include <signal.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "server/shim/testing/await_task.h"
#include "server/shim/testing/client_fixture.h"
#include "server/shim/testing/fake_shim.h"

namespace gantry::shim_client {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

TEST_F(ShimClientTest, AnswersMayOvertakeOneAnother) {
  Adopt();
  // The first one's answer is sent after the second's.
  std::optional<uint64_t> held;
  fake_->SetHandler([&](Incoming request) {
    Incoming answer;
    if (!held.has_value()) {
      held = request.envelope.id();
      return answer;
    }
    if (request.envelope.has_signal_request()) {
      answer.envelope.mutable_error()->set_code(
          static_cast<int>(absl::StatusCode::kNotFound));
      return answer;
    }
    answer.envelope.set_id(*held);
    answer.envelope.mutable_done();
    return answer;
  });
  Running<absl::Status> first(client_->CloseStdin());
  ASSERT_TRUE(Eventually([&] { return fake_->connections() == 1; }));
  EXPECT_THAT(Await(client_->Signal(SIGTERM, false)),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(first.Done());
  Running<absl::Status> third(client_->Resize(80, 25));
  EXPECT_OK(first.Get());
  client_.reset();
  EXPECT_THAT(third.Get(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ShimClientTest, RequestsSayWhatWasAsked) {
  Adopt();
  std::vector<shim::Envelope> seen;
  size_t fds = 0;
  fake_->SetHandler([&](Incoming request) {
    seen.push_back(request.envelope);
    fds += request.fds.size();
    Incoming answer;
    answer.envelope.mutable_done();
    return answer;
  });
  EXPECT_OK(Await(client_->Signal(SIGINT, true)));
  EXPECT_OK(Await(client_->ExecSignal("e", SIGKILL, true)));
  EXPECT_OK(Await(client_->Resize(132, 43)));
  ASSERT_OK_AND_ASSIGN(UniqueFd log, sys::Duplicate(dir_.fd()));
  EXPECT_OK(Await(client_->ReopenLog(std::move(log))));
  shim::AttachRequest attach;
  attach.set_has_stdout(true);
  std::vector<UniqueFd> ends;
  ASSERT_OK_AND_ASSIGN(UniqueFd end, sys::Duplicate(dir_.fd()));
  ends.push_back(std::move(end));
  EXPECT_OK(Await(client_->Attach(attach, std::move(ends))));
  EXPECT_OK(Await(client_->CloseStdin()));

  ASSERT_EQ(seen.size(), 6);
  EXPECT_EQ(seen[0].version(), kProtocolVersion);
  EXPECT_EQ(seen[0].signal_request().signal(), SIGINT);
  EXPECT_TRUE(seen[0].signal_request().all());
  EXPECT_EQ(seen[1].exec_signal_request().exec_id(), "e");
  EXPECT_TRUE(seen[1].exec_signal_request().tree());
  EXPECT_EQ(seen[2].resize_request().width(), 132);
  EXPECT_EQ(seen[2].resize_request().height(), 43);
  EXPECT_TRUE(seen[3].has_reopen_log_request());
  EXPECT_TRUE(seen[4].attach_request().has_stdout());
  EXPECT_TRUE(seen[5].has_close_stdin_request());
  EXPECT_EQ(fds, 2);
}

TEST_F(ShimClientTest, AnErrorOfTheShimIsAStatusWithItsErrno) {
  Adopt();
  fake_->SetHandler([](Incoming) {
    Incoming answer;
    shim::Error& error = *answer.envelope.mutable_error();
    error.set_code(static_cast<int>(absl::StatusCode::kNotFound));
    error.set_message("execute /bin/x: ENOENT");
    error.set_errno_value(ENOENT);
    return answer;
  });
  absl::Status status = Await(client_->Exec(ExecOf("e"), {})).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kNotFound, "execute /bin/x: ENOENT"));
  EXPECT_EQ(ErrnoOf(status), ENOENT);
  EXPECT_THAT(Await(client_->WaitExec("e")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ShimClientTest, AnAnswerOfTheWrongKindIsAnError) {
  Adopt();
  fake_->SetHandler([](Incoming) {
    Incoming answer;
    answer.envelope.mutable_state();
    return answer;
  });
  EXPECT_THAT(Await(client_->Signal(SIGTERM, false)),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(Await(client_->Exec(ExecOf("e"), {})),
              StatusIs(absl::StatusCode::kInternal));
}

TEST_F(ShimClientTest, ARequestWithoutAnswerEndsAfterItsBound) {
  options_.request_timeout = kBound;
  Adopt();
  fake_->Pause(true);
  const absl::Time start = absl::Now();
  EXPECT_THAT(Await(client_->Signal(SIGTERM, false)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_GE(absl::Now() - start, kBound);
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  fake_->Pause(false);
  EXPECT_OK(Await(client_->Signal(SIGTERM, false)));
}

TEST_F(ShimClientTest, RequestsThatTheSocketHasNoRoomForAreSentLater) {
  Adopt();
  fake_->Pause(true);
  std::vector<Running<absl::StatusOr<ExecStartedResult>>> running;
  fake_->SetHandler([](Incoming) {
    Incoming answer;
    answer.envelope.mutable_exec_started()->set_pid(7);
    return answer;
  });
  for (int i = 0; i < 20; ++i) {
    shim::ExecRequest request = ExecOf(absl::StrCat("e", i));
    request.add_args(std::string(100'000, 'x'));
    running.emplace_back(client_->Exec(request, {}));
  }
  absl::SleepFor(absl::Milliseconds(50));
  for (auto& exec : running) EXPECT_FALSE(exec.Done());
  fake_->Pause(false);
  for (auto& exec : running) EXPECT_OK(exec.Get());
}

TEST_F(ShimClientTest, AMessageOverTheLimitIsRefusedAndCostsNothingElse) {
  Adopt();
  shim::ExecRequest request = ExecOf("big");
  request.add_args(std::string(300'000, 'x'));
  EXPECT_THAT(Await(client_->Exec(request, {})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("exec")));
  EXPECT_OK(Await(client_->GetState()));
}

TEST_F(ShimClientTest, TheEndOfAnExecIsKeptUntilSomebodyWaits) {
  Adopt();
  fake_->SetHandler([](Incoming) {
    Incoming answer;
    answer.envelope.mutable_exec_started()->set_pid(77);
    return answer;
  });
  ASSERT_OK_AND_ASSIGN(ExecStartedResult started,
                       Await(client_->Exec(ExecOf("e"), {})));
  EXPECT_EQ(started.pid, 77);
  EXPECT_FALSE(started.pty.has_value());
  EXPECT_THAT(Await(client_->Exec(ExecOf("e"), {})),
              StatusIs(absl::StatusCode::kAlreadyExists));
  fake_->Send(ExecExitedEvent("unknown", 1));
  fake_->Send(ExecExitedEvent("e", 12));
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_THAT(Await(client_->WaitExec("e")), IsOkAndHolds(12));
  EXPECT_THAT(Await(client_->WaitExec("e")),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(Await(client_->Exec(ExecOf("e"), {})));
}

TEST_F(ShimClientTest, DescriptorsGoAndTheTerminalComesBack) {
  Adopt();
  std::atomic<int> received = 0;
  fake_->SetHandler([&](Incoming request) {
    received = request.fds.size();
    Incoming answer;
    answer.envelope.mutable_exec_started()->set_pid(1);
    if (request.envelope.exec_request().terminal()) {
      answer.fds.push_back(sys::Duplicate(dir_.fd()).value());
    }
    return answer;
  });
  std::vector<UniqueFd> fds;
  fds.push_back(sys::Duplicate(dir_.fd()).value());
  fds.push_back(sys::Duplicate(dir_.fd()).value());
  ASSERT_OK(Await(client_->Exec(ExecOf("e1"), std::move(fds))));
  EXPECT_EQ(received, 2);
  shim::ExecRequest request = ExecOf("e2");
  request.set_terminal(true);
  ASSERT_OK_AND_ASSIGN(ExecStartedResult started,
                       Await(client_->Exec(request, {})));
  ASSERT_TRUE(started.pty.has_value());
  EXPECT_TRUE(started.pty->valid());
}

TEST_F(ShimClientTest, AnExecThatStartsAfterItWasGivenUpIsKilled) {
  options_.exec_timeout = kBound;
  Adopt();
  std::atomic<bool> killed = false;
  fake_->SetHandler([&](Incoming request) {
    Incoming answer;
    if (request.envelope.has_exec_request()) {
      answer.envelope.mutable_exec_started()->set_pid(1);
    } else {
      const shim::ExecSignalRequest& signal =
          request.envelope.exec_signal_request();
      killed = signal.exec_id() == "e" && signal.signal() == SIGKILL &&
               signal.tree();
      answer.envelope.mutable_done();
    }
    return answer;
  });
  fake_->Pause(true);
  EXPECT_THAT(Await(client_->Exec(ExecOf("e"), {})),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  fake_->Pause(false);
  EXPECT_TRUE(Eventually([&] { return killed.load(); }));
}

TEST_F(ShimClientTest, ClosingCancelsAndTellsNoExit) {
  Adopt();
  fake_->SetHandler([](Incoming) { return Incoming{}; });
  Running<absl::Status> pending(client_->CloseStdin());
  Running<absl::Status> gone(client_->WaitGone(kLong));
  client_.reset();
  EXPECT_THAT(pending.Get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(gone.Get(), StatusIs(absl::StatusCode::kCancelled));
  fake_->Die();
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(ends_.count(), 0);
  EXPECT_TRUE(Eventually([&] { return fake_->connections() == 0; }));
}

TEST_F(ShimClientTest, ManyThreadsShareOneClient) {
  Adopt();
  fake_->SetHandler([](Incoming request) {
    Incoming answer;
    // Says which request it answers, in a form that State can carry.
    answer.envelope.mutable_state()->add_exec_ids(
        absl::StrCat(request.envelope.id()));
    return answer;
  });
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        if (Await(client_->GetState()).ok()) ++answered;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 800);
}

}  // namespace
}  // namespace gantry::shim_client
