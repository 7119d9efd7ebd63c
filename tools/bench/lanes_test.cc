#include "tools/bench/lanes.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;

// Writes what happens to it into one log for all.
class NotedLane : public Lane {
 public:
  NotedLane(std::string name, std::string* log, int fails_in = -1)
      : name_(std::move(name)), log_(log), fails_in_(fails_in) {}
  absl::Status Take(int round, Report* report) override {
    absl::StrAppend(log_, name_, report == nullptr ? "-" : "+");
    if (round == fails_in_) return absl::DataLossError(name_);
    return absl::OkStatus();
  }
  absl::Status RemoveAll() override {
    absl::StrAppend(log_, "~", name_);
    return absl::OkStatus();
  }

 private:
  const std::string name_;
  std::string* const log_;
  const int fails_in_;
};

class LanesTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, int fails_in = -1) {
    lanes_.push_back(std::make_unique<NotedLane>(name, &log_, fails_in));
  }
  std::string log_;
  Lanes lanes_;
  Report report_{"test"};
};

TEST_F(LanesTest, TakeTurnsAndOnlyThoseAfterTheWarmUpCount) {
  Add("a");
  Add("b");
  EXPECT_THAT(TakeTurns(lanes_, {.count = 2, .warm_up = 1}, &report_),
              IsOkAndHolds(2));
  EXPECT_EQ(log_, "a-b-a+b+a+b+~a~b");
}

TEST_F(LanesTest, AllIsRemovedAfterAnError) {
  Add("a");
  Add("b", 0);
  EXPECT_THAT(TakeTurns(lanes_, {.count = 1}, &report_),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(log_, "a+b+~a~b");
}

TEST_F(LanesTest, WithoutAResultItIsCancelled) {
  Add("a");
  ctl::SetInterruptedForTest(true);
  EXPECT_THAT(TakeTurns(lanes_, {.count = 1}, &report_),
              StatusIs(absl::StatusCode::kCancelled));
  ctl::SetInterruptedForTest(false);
  EXPECT_THAT(TakeTurns(lanes_, {.count = 1, .longest = absl::ZeroDuration()},
                        &report_),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(log_, "~a~a");
}

}  // namespace
}  // namespace gantry::bench
