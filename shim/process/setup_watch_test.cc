#include "shim/process/setup_watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"
#include "shim/init/sync.h"

namespace gantry::shim {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

class SetupWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(loop_, sys::EpollLoop::Create());
    ASSERT_OK_AND_ASSIGN(init::SyncPair pair, init::MakeSyncPair());
    child_ = std::move(pair.child);
    watch_ = std::make_unique<SetupWatch>(*loop_, std::move(pair.parent),
                                          [this](SetupResult result) {
                                            watch_.reset();  // as its users do
                                            result_ = std::move(result);
                                            loop_->Stop();
                                          });
    ASSERT_OK(watch_->Begin());
  }

  std::unique_ptr<sys::EpollLoop> loop_;
  UniqueFd child_;
  std::unique_ptr<SetupWatch> watch_;
  std::optional<SetupResult> result_;
};

TEST_F(SetupWatchTest, ReadyAndTheEndIsSuccess) {
  Started ready;
  ready.mutable_user()->set_uid(1000);
  ready.add_degraded("x");
  ASSERT_OK(init::SendReady(child_.get(), ready));
  watch_->Poll();
  EXPECT_FALSE(result_.has_value());
  child_.Reset();
  ASSERT_OK(loop_->Run());
  ASSERT_TRUE(result_.has_value());
  EXPECT_OK(result_->status);
  EXPECT_EQ(result_->ready.user().uid(), 1000u);
  EXPECT_EQ(result_->ready.degraded_size(), 1);
}

TEST_F(SetupWatchTest, EndWithoutReadyIsAborted) {
  child_.Reset();
  ASSERT_OK(loop_->Run());
  ASSERT_TRUE(result_.has_value());
  EXPECT_THAT(result_->status, StatusIs(absl::StatusCode::kAborted));
}

TEST_F(SetupWatchTest, FailureKeepsCodeAndErrno) {
  init::SendFailed(child_.get(), init::Stage::kExec,
                   ErrnoStatus(ENOENT, "exec \"foo\""));
  watch_->Poll();
  ASSERT_TRUE(result_.has_value());
  EXPECT_THAT(result_->status,
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("exec \"foo\"")));
  EXPECT_EQ(ErrnoOf(result_->status), ENOENT);
}

TEST_F(SetupWatchTest, FailureAfterReadyIsAFailure) {
  ASSERT_OK(init::SendReady(child_.get(), Started()));
  init::SendFailed(child_.get(), init::Stage::kExec,
                   ErrnoStatus(EACCES, "exec \"foo\""));
  child_.Reset();
  watch_->Poll();
  ASSERT_TRUE(result_.has_value());
  EXPECT_EQ(ErrnoOf(result_->status), EACCES);
}

TEST_F(SetupWatchTest, ConsoleComesWithTheResult) {
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_OK(init::SendConsole(child_.get(), null.get()));
  ASSERT_OK(init::SendReady(child_.get(), Started()));
  child_.Reset();
  watch_->Poll();
  ASSERT_TRUE(result_.has_value());
  EXPECT_OK(result_->status);
  EXPECT_TRUE(result_->console.valid());
}

}  // namespace
}  // namespace gantry::shim
