// What becomes of a client when its connection or its shim goes, and how a
// restarted server finds a shim again.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "server/shim/shim_client.h"
#include "server/shim/testing/await_task.h"
#include "server/shim/testing/client_fixture.h"
#include "server/shim/testing/fake_shim.h"
#include "shim/donation.h"

namespace gantry::shim_client {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;

using ShimLossTest = ShimClientTest;

TEST_F(ShimLossTest, ExitedIsToldOnceAlthoughTheShimDiesThereafter) {
  Adopt();
  fake_->Send(ExitedEvent(3));
  ASSERT_TRUE(Eventually([&] { return ends_.count() == 1; }));
  fake_->Die();
  EXPECT_OK(Await(client_->WaitGone(kLong)));
  ExitOutcome outcome = ends_.Only();
  EXPECT_FALSE(outcome.shim_lost);
  EXPECT_EQ(outcome.exited.exit_code(), 3);
}

TEST_F(ShimLossTest, AListenerThatComesLateIsToldAtOnce) {
  Adopt();
  fake_->Send(ExitedEvent(3));
  ends_.Only();
  Ends late;
  client_->OnExit(late.Listener());
  EXPECT_EQ(late.Only().exited.exit_code(), 3);
}

TEST_F(ShimLossTest, WhatTheShimSaidBeforeItDiedIsHeard) {
  Adopt();
  fake_->SetHandler([](Incoming) {
    Incoming answer;
    answer.envelope.mutable_exec_started();
    return answer;
  });
  ASSERT_OK(Await(client_->Exec(ExecOf("e"), {})));
  absl::Notification go;
  loop_->Post([&go] { go.WaitForNotification(); });
  fake_->Send(ExecExitedEvent("e", 137));
  fake_->Send(ExitedEvent(4));
  fake_->Die();
  go.Notify();
  EXPECT_EQ(ends_.Only().exited.exit_code(), 4);
  EXPECT_THAT(Await(client_->WaitExec("e")), IsOkAndHolds(137));
}

TEST_F(ShimLossTest, ADeadShimWithoutARecordIsLost) {
  Adopt();
  fake_->SetHandler([](Incoming request) {
    Incoming answer;
    if (request.envelope.has_exec_request()) {
      answer.envelope.mutable_exec_started();
    }
    return answer;
  });
  ASSERT_OK(Await(client_->Exec(ExecOf("e"), {})));
  Running<absl::StatusOr<int>> exec(client_->WaitExec("e"));
  Running<absl::Status> pending(client_->Signal(SIGTERM, false));
  fake_->Die();
  EXPECT_TRUE(ends_.Only().shim_lost);
  EXPECT_THAT(pending.Get(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(exec.Get(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Await(client_->GetState()),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_OK(Await(client_->WaitGone(kLong)));
}

TEST_F(ShimLossTest, TheRecordOfADeadShimTellsTheEnd) {
  Adopt();
  UniqueFd record =
      sys::OpenAt(dir_.fd(), shim::kExitRecordName, O_WRONLY | O_CREAT, 0600)
          .value();
  ASSERT_OK(
      sys::WriteAll(record.get(), ExitedEvent(9).exited().SerializeAsString()));
  fake_->Die();
  ExitOutcome outcome = ends_.Only();
  EXPECT_FALSE(outcome.shim_lost);
  EXPECT_EQ(outcome.exited.exit_code(), 9);
}

TEST_F(ShimLossTest, ARecordIsReadOnceThereAreDescriptors) {
#ifdef __SANITIZE_ADDRESS__
  // UBSan's look at an object (-fsanitize=vptr) takes a pipe, and calls the
  // object of a log line invalid when there is none.
  GTEST_SKIP() << "the sanitizer needs descriptors itself";
#endif
  Adopt();
  {
    const UniqueFd record =
        sys::OpenAt(dir_.fd(), shim::kExitRecordName, O_WRONLY | O_CREAT, 0600)
            .value();
    ASSERT_OK(sys::WriteAll(record.get(),
                            ExitedEvent(9).exited().SerializeAsString()));
  }
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;  // those are there
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  fake_->Die();
  EXPECT_OK(Await(client_->WaitGone(kLong)));
  EXPECT_EQ(ends_.count(), 0);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ExitOutcome outcome = ends_.Only();
  EXPECT_FALSE(outcome.shim_lost);
  EXPECT_EQ(outcome.exited.exit_code(), 9);
}

TEST_F(ShimLossTest, ADamagedRecordIsNone) {
  Adopt();
  UniqueFd record =
      sys::OpenAt(dir_.fd(), shim::kExitRecordName, O_WRONLY | O_CREAT, 0600)
          .value();
  ASSERT_OK(sys::WriteAll(record.get(), "\xff\xff\xff"));
  fake_->Die();
  EXPECT_TRUE(ends_.Only().shim_lost);
}

TEST_F(ShimLossTest, ALostConnectionIsMadeAgain) {
  Adopt();
  ASSERT_OK(Await(client_->GetState()));
  fake_->DropConnections();
  ASSERT_TRUE(Eventually([&] { return Await(client_->GetState()).ok(); }));
  EXPECT_EQ(fake_->connections(), 1);
  EXPECT_EQ(ends_.count(), 0);
  fake_->Send(ExitedEvent(5));
  EXPECT_EQ(ends_.Only().exited.exit_code(), 5);
}

TEST_F(ShimLossTest, BytesThatAreNoMessageCostTheConnectionOnly) {
  Adopt();
  ASSERT_OK(Await(client_->GetState()));
  fake_->SendRaw("\xff\xff\xff\xff");
  ASSERT_TRUE(Eventually([&] { return !Await(client_->GetState()).ok(); }));
  ASSERT_TRUE(Eventually([&] { return Await(client_->GetState()).ok(); }));
  EXPECT_EQ(ends_.count(), 0);
}

TEST_F(ShimLossTest, AnExitThatWasMissedIsAskedFor) {
  Adopt();
  fake_->SetHandler([](Incoming) {
    Incoming answer;
    *answer.envelope.mutable_state()->mutable_exited() =
        ExitedEvent(6).exited();
    return answer;
  });
  fake_->DropConnections();
  EXPECT_EQ(ends_.Only().exited.exit_code(), 6);
}

TEST_F(ShimLossTest, AnExecWhoseAnswerWasLostIsKilled) {
  Adopt();
  std::atomic<bool> asked = false;
  std::atomic<bool> killed = false;
  fake_->SetHandler([&](Incoming request) {
    Incoming answer;
    if (request.envelope.has_exec_request()) asked = true;
    if (request.envelope.has_exec_signal_request()) killed = true;
    if (request.envelope.has_state_request()) {
      answer.envelope.mutable_state()->add_exec_ids("e");
      answer.envelope.mutable_state()->add_exec_ids("of-another-server");
    }
    return answer;
  });
  Running<absl::StatusOr<ExecStartedResult>> exec(
      client_->Exec(ExecOf("e"), {}));
  ASSERT_TRUE(Eventually([&] { return asked.load(); }));
  fake_->DropConnections();
  EXPECT_THAT(exec.Get(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(Eventually([&] { return killed.load(); }));
}

TEST_F(ShimLossTest, EndsOfExecsThatWereMissedAreAskedFor) {
  Adopt();
  std::atomic<int> states = 0;
  fake_->SetHandler([&](Incoming request) {
    Incoming answer;
    if (request.envelope.has_exec_request()) {
      answer.envelope.mutable_exec_started()->set_pid(1);
      return answer;
    }
    // "later" ends between the first and the second question.
    shim::State& state = *answer.envelope.mutable_state();
    shim::ExecExited& ended = *state.add_exec_exits();
    if (states++ == 0) {
      state.add_exec_ids("later");
      ended.set_exec_id("missed");
      ended.set_exit_code(21);
    } else {
      ended.set_exec_id("later");
      ended.set_exit_code(22);
    }
    return answer;
  });
  for (const char* exec_id : {"missed", "later", "vanished"}) {
    ASSERT_OK(Await(client_->Exec(ExecOf(exec_id), {})));
  }
  Running<absl::StatusOr<int>> missed(client_->WaitExec("missed"));
  Running<absl::StatusOr<int>> later(client_->WaitExec("later"));
  Running<absl::StatusOr<int>> vanished(client_->WaitExec("vanished"));
  fake_->DropConnections();
  EXPECT_THAT(missed.Get(), IsOkAndHolds(21));
  EXPECT_THAT(vanished.Get(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(later.Get(), IsOkAndHolds(22));
}

TEST_F(ShimLossTest, WaitGoneIsBounded) {
  Adopt();
  EXPECT_THAT(Await(client_->WaitGone(absl::Milliseconds(20))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(ShimLossTest, ConnectsToARunningShim) {
  ASSERT_OK_AND_ASSIGN(client_, Connect());
  client_->OnExit(ends_.Listener());
  EXPECT_OK(Await(client_->GetState()));
  fake_->Send(ExitedEvent(8));
  EXPECT_EQ(ends_.Only().exited.exit_code(), 8);
}

TEST_F(ShimLossTest, ConnectHearsOfAnExitThatHasHappened) {
  fake_->SetHandler([](Incoming) {
    Incoming answer;
    *answer.envelope.mutable_state()->mutable_exited() =
        ExitedEvent(7).exited();
    return answer;
  });
  ASSERT_OK_AND_ASSIGN(client_, Connect());
  client_->OnExit(ends_.Listener());
  EXPECT_EQ(ends_.Only().exited.exit_code(), 7);
}

TEST_F(ShimLossTest, ConnectFindsNobody) {
  // A socket file without a listener, as a killed shim leaves it.
  fake_->StopListening();
  EXPECT_THAT(Connect(), StatusIs(absl::StatusCode::kNotFound));
  fake_.reset();
  EXPECT_THAT(Connect(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ShimLossTest, ConnectToAShimThatDoesNotAnswerIsBounded) {
  options_.request_timeout = kBound;
  fake_->Pause(true);
  EXPECT_THAT(Connect(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(ShimLossTest, ConnectRefusesAnotherProcessThanTheStatesShim) {
  fake_->SetHandler([](Incoming) {
    Incoming answer;
    answer.envelope.mutable_state()->mutable_started()->set_shim_pid(1);
    return answer;
  });
  EXPECT_THAT(Connect(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace gantry::shim_client
