#include "tools/bench/parallel_for.h"

#include <mutex>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::bench {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;

bool Always() { return true; }

TEST(ParallelFor, EachNumberOnce) {
  std::mutex mutex;
  std::multiset<int> seen;
  const auto work = [&](int thread, int index) {
    EXPECT_LT(thread, 4);
    const std::lock_guard<std::mutex> lock(mutex);
    seen.insert(index);
    return absl::OkStatus();
  };
  EXPECT_THAT(ParallelFor(4, 100, Always, work), IsOkAndHolds(100));
  EXPECT_EQ(seen.size(), 100);
  EXPECT_EQ(std::set<int>(seen.begin(), seen.end()).size(), 100);
}

TEST(ParallelFor, EndsEarlyAndSaysHowFarItCame) {
  int calls = 0;
  const auto work = [&](int, int) {
    ++calls;
    return absl::OkStatus();
  };
  EXPECT_THAT(ParallelFor(
                  1, 100, [&] { return calls < 7; }, work),
              IsOkAndHolds(7));
  EXPECT_THAT(ParallelFor(8, 0, Always, work), IsOkAndHolds(0));
}

TEST(ParallelFor, AnErrorIsReturnedAndEndsIt) {
  std::atomic<int> calls{0};
  const auto work = [&](int, int index) {
    ++calls;
    return index == 5 ? absl::DataLossError("five") : absl::OkStatus();
  };
  EXPECT_THAT(ParallelFor(2, 1'000'000, Always, work),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_LT(calls.load(), 1'000'000);
}

}  // namespace
}  // namespace gantry::bench
