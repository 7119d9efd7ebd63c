#include "runtime/image/read_ahead.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::image {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;

constexpr size_t kDepth = 4;

class ReadAheadTest : public ::testing::Test {
 protected:
  ~ReadAheadTest() override {
    for (std::thread& thread : threads_) thread.join();
  }

  std::vector<std::thread> threads_;
  const RunAside run_aside_ = [this](std::function<void()> work) {
    threads_.emplace_back(std::move(work));
  };
};

// Gives "0", "1", ... and then what it is told.
class Counter : public ByteSource {
 public:
  explicit Counter(int count, absl::Status end = absl::OkStatus())
      : count_(count), end_(std::move(end)) {}
  absl::StatusOr<absl::string_view> Next() override {
    if (given_ == count_) {
      if (!end_.ok()) return end_;
      return absl::string_view();
    }
    // In one place, so that a chunk that was not copied would be seen.
    text_ = std::to_string(given_++);
    return absl::string_view(text_);
  }
  int given() const { return given_; }

 private:
  const int count_;
  const absl::Status end_;
  std::string text_;
  std::atomic<int> given_ = 0;
};

TEST_F(ReadAheadTest, GivesTheSameBytesInOrder) {
  std::string wanted;
  for (int i = 0; i < 1000; ++i) wanted += std::to_string(i);
  Counter from(1000);
  ReadAhead source(&from, kDepth, run_aside_);
  EXPECT_THAT(ReadAll(&source, 1 << 20), IsOkAndHolds(wanted));
  // And the end stays the end.
  EXPECT_THAT(source.Next(), IsOkAndHolds(""));
}

TEST_F(ReadAheadTest, AnErrorComesAfterTheBytesBeforeIt) {
  Counter from(2, absl::DataLossError("torn"));
  ReadAhead source(&from, kDepth, run_aside_);
  EXPECT_THAT(source.Next(), IsOkAndHolds("0"));
  EXPECT_THAT(source.Next(), IsOkAndHolds("1"));
  EXPECT_THAT(source.Next(), StatusIs(absl::StatusCode::kDataLoss, "torn"));
  EXPECT_THAT(source.Next(), StatusIs(absl::StatusCode::kDataLoss, "torn"));
}

TEST_F(ReadAheadTest, IsNoFurtherAheadThanItsDepth) {
  Counter from(1000);
  ReadAhead source(&from, kDepth, run_aside_);
  EXPECT_THAT(source.Next(), IsOkAndHolds("0"));
  EXPECT_THAT(source.Next(), IsOkAndHolds("1"));
  EXPECT_LE(from.given(), 1 + static_cast<int>(kDepth));
}

TEST_F(ReadAheadTest, MayBeLeftBeforeTheEnd) {
  Counter from(1000);
  {
    ReadAhead source(&from, kDepth, run_aside_);
    EXPECT_THAT(source.Next(), IsOkAndHolds("0"));
  }
  const int given = from.given();
  EXPECT_LE(given, 1 + static_cast<int>(kDepth));
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  // Nobody reads it any more.
  EXPECT_EQ(from.given(), given);
}

TEST_F(ReadAheadTest, ReadsWhileItsReaderIsBusy) {
  Counter from(2);
  ReadAhead source(&from, kDepth, run_aside_);
  threads_.front().join();
  threads_.clear();
  EXPECT_EQ(from.given(), 2);
  EXPECT_THAT(ReadAll(&source, 10), IsOkAndHolds("01"));
}

}  // namespace
}  // namespace gantry::image
