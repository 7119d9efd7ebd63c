#include "shim/init/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/seqpacket.h"

namespace gantry::init {
namespace {

using Kind = Report::Kind;

class Sync : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pair = MakeSyncPair();
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
  }
  Report Next() {
    auto report = ReadReport(pair_.parent.get());
    EXPECT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report.ok() && report->has_value());
    return report.ok() && report->has_value() ? *std::move(*report) : Report{};
  }
  SyncPair pair_;
};

TEST_F(Sync, BothEndsCloseOnExec) {
  EXPECT_TRUE(fcntl(pair_.parent.get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_TRUE(fcntl(pair_.child.get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_FALSE(fcntl(pair_.child.get(), F_GETFL) & O_NONBLOCK);
}

TEST_F(Sync, ReadingDoesNotBlock) {
  auto report = ReadReport(pair_.parent.get());
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report->has_value());
}

TEST_F(Sync, GoArrives) {
  ASSERT_TRUE(SendGo(pair_.parent.get()).ok());
  EXPECT_TRUE(WaitForGo(pair_.child.get()).ok());
}

TEST_F(Sync, AShimThatDiesBeforeGoCancels) {
  pair_.parent.Reset();
  EXPECT_EQ(WaitForGo(pair_.child.get()).code(), absl::StatusCode::kCancelled);
}

TEST_F(Sync, GoToAChildThatHasFailedTellsItsReason) {
  SendFailed(pair_.child.get(), Stage::kIdentity,
             ErrnoStatus(ENOSPC, "close descriptors"));
  pair_.child.Reset();
  const absl::Status sent = SendGo(pair_.parent.get());
  EXPECT_EQ(ErrnoOf(sent), ENOSPC);
  EXPECT_EQ(sent.message().find("send GO"), absl::string_view::npos) << sent;
}

TEST_F(Sync, AFailureIsToldThoughGoWasNotRead) {
  ASSERT_TRUE(SendGo(pair_.parent.get()).ok());
  SendFailed(pair_.child.get(), Stage::kIdentity,
             ErrnoStatus(ENOSPC, "close descriptors"));
  pair_.child.Reset();
  const Report report = Next();
  EXPECT_EQ(report.kind, Report::Kind::kFailed);
  EXPECT_EQ(ErrnoOf(report.failure), ENOSPC);
}

TEST_F(Sync, AChildThatDiesWithGoUnreadHasEnded) {
  ASSERT_TRUE(SendGo(pair_.parent.get()).ok());
  pair_.child.Reset();
  EXPECT_EQ(Next().kind, Report::Kind::kClosed);
}

TEST_F(Sync, GoToAChildThatIsGoneFails) {
  pair_.child.Reset();
  const absl::Status sent = SendGo(pair_.parent.get());
  EXPECT_TRUE(absl::IsUnavailable(sent)) << sent;
  EXPECT_EQ(sent.message(), "the process died during its set-up");
}

TEST_F(Sync, SomethingElseThanGoIsAnError) {
  ASSERT_TRUE(sys::Send(pair_.parent.get(), "X").ok());
  EXPECT_EQ(WaitForGo(pair_.child.get()).code(), absl::StatusCode::kInternal);
}

TEST_F(Sync, ReportsComeInOrderAndThenTheEnd) {
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  ASSERT_TRUE(SendConsole(pair_.child.get(), pipe_fds[1]).ok());
  close(pipe_fds[1]);
  shim::Started ready;
  ready.mutable_user()->set_uid(7);
  ready.add_degraded("oom_score_adj -5: EACCES");
  ASSERT_TRUE(SendReady(pair_.child.get(), ready).ok());
  pair_.child.Reset();
  Report console = Next();
  EXPECT_EQ(console.kind, Kind::kConsole);
  EXPECT_EQ(write(console.console.get(), "x", 1), 1);
  Report second = Next();
  EXPECT_EQ(second.kind, Kind::kReady);
  EXPECT_EQ(second.ready.user().uid(), 7u);
  EXPECT_EQ(second.ready.degraded(0), "oom_score_adj -5: EACCES");
  EXPECT_EQ(Next().kind, Kind::kClosed);
  close(pipe_fds[0]);
}

TEST_F(Sync, AFailureKeepsCodeErrnoAndStage) {
  SendFailed(pair_.child.get(), Stage::kRootfs,
             ErrnoStatus(EINVAL, "mount overlay on /run/x"));
  Report report = Next();
  EXPECT_EQ(report.kind, Kind::kFailed);
  EXPECT_EQ(report.failure.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrnoOf(report.failure), EINVAL);
  EXPECT_EQ(report.failure.message(),
            "set up rootfs: mount overlay on /run/x: EINVAL: Invalid argument");
}

TEST_F(Sync, AnExecFailureSpeaksForItself) {
  SendFailed(pair_.child.get(), Stage::kExec,
             ErrnoStatus(ENOENT, "exec \"foo\""));
  EXPECT_EQ(Next().failure.message(),
            "exec \"foo\": ENOENT: No such file or directory");
}

TEST(StepName, IsThereForEveryStage) {
  EXPECT_EQ(StepName(Stage::kRootfs), "init: set up rootfs");
  EXPECT_EQ(StepName(Stage::kExec), "init: run the program");
}

TEST_F(Sync, LongFailuresAreCut) {
  SendFailed(pair_.child.get(), Stage::kExec,
             absl::InternalError(std::string(100000, 'x')));
  EXPECT_EQ(Next().failure.message().size(), 4000u);
}

TEST_F(Sync, ForeignBytesAreAnError) {
  const std::string kBad[] = {"x", "F",        "Fabc", std::string(5000, 'F'),
                              "C", "R\xff\xff"};
  for (const std::string& bytes : kBad) {
    ASSERT_TRUE(sys::Send(pair_.child.get(), bytes).ok());
    EXPECT_EQ(ReadReport(pair_.parent.get()).status().code(),
              absl::StatusCode::kInternal)
        << bytes.substr(0, 10);
  }
}

TEST_F(Sync, AChildThatDiesWithGoUnreadIsClosed) {
  ASSERT_TRUE(SendGo(pair_.parent.get()).ok());
  pair_.child.Reset();
  EXPECT_EQ(Next().kind, Kind::kClosed);
}

}  // namespace
}  // namespace gantry::init
