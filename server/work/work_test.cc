#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"
#include "server/work/executor.h"
#include "server/work/keyed_lock.h"
#include "server/work/one_shot.h"
#include "server/work/task.h"
#include "server/work/task_scope.h"

namespace gantry::work {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;

// Runs `task` to its end and gives its value to the test's thread.
template <typename T>
T Await(Task<T> task) {
  absl::Notification done;
  std::optional<T> result;
  StartDetached(std::move(task), [&](T value) {
    result.emplace(std::move(value));
    done.Notify();
  });
  done.WaitForNotification();
  return *std::move(result);
}

Task<absl::StatusOr<int>> Twice(absl::StatusOr<int> n) {
  CO_ASSIGN_OR_RETURN(int value, std::move(n), "twice");
  co_return value * 2;
}

Task<absl::StatusOr<int>> Sum(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) {
    CO_ASSIGN_OR_RETURN(int value, co_await Twice(i));
    sum += value;
  }
  co_return sum;
}

TEST(Task, AwaitsOthersAndReturnsTheirValues) {
  EXPECT_THAT(Await(Sum(1000)), IsOkAndHolds(999000));
}

TEST(Task, ErrorsReturnEarlyWithContext) {
  EXPECT_THAT(Await(Twice(absl::NotFoundError("x"))),
              StatusIs(absl::StatusCode::kNotFound, "twice: x"));
}

Task<void> CountUp(std::shared_ptr<int> counter) {
  ++*counter;
  co_return;
}

TEST(Task, DoesNothingUntilAwaitedAndFreesItsFrame) {
  auto counter = std::make_shared<int>(0);
  { Task<void> never_run = CountUp(counter); }
  EXPECT_EQ(*counter, 0);
  EXPECT_EQ(counter.use_count(), 1);
  StartDetached(CountUp(counter), [] {});
  EXPECT_EQ(*counter, 1);
  EXPECT_EQ(counter.use_count(), 1);
}

Task<int> WaitFor(OneShot<int> shot) { co_return co_await shot.Wait(); }

TEST(OneShot, FirstValueWinsWhetherSetBeforeOrAfterWaiting) {
  Executor executor("test", 2);
  OneShot<int> before(executor);
  EXPECT_TRUE(before.Set(1));
  EXPECT_FALSE(before.Set(2));
  EXPECT_EQ(Await(WaitFor(before)), 1);

  OneShot<int> after(executor);
  std::thread setter([after] { after.Set(3); });
  EXPECT_EQ(Await(WaitFor(after)), 3);
  setter.join();
}

struct Trace {
  absl::Mutex mutex;
  int inside = 0;
  int most_inside = 0;
  std::vector<int> order;
};

Task<void> Enter(KeyedLock& locks, Executor& executor, std::string key, int n,
                 Trace& trace) {
  KeyedLock::Guard guard = co_await locks.Acquire(key);
  {
    absl::MutexLock lock(&trace.mutex);
    trace.most_inside = std::max(trace.most_inside, ++trace.inside);
    trace.order.push_back(n);
  }
  co_await executor.Schedule();
  absl::MutexLock lock(&trace.mutex);
  --trace.inside;
}

TEST(KeyedLock, OneKeyIsSerialInOrderOfArrival) {
  Executor executor("test", 4);
  KeyedLock locks(executor);
  TaskScope scope;
  Trace trace;
  std::vector<int> expected;
  for (int i = 0; i < 200; ++i) {
    scope.Start(Enter(locks, executor, "pod", i, trace));
    expected.push_back(i);
  }
  ASSERT_TRUE(scope.WaitIdle(absl::Seconds(30)));
  EXPECT_EQ(trace.most_inside, 1);
  EXPECT_EQ(trace.order, expected);
}

TEST(KeyedLock, OtherKeysDoNotWait) {
  Executor executor("test", 2);
  KeyedLock locks(executor);
  TaskScope scope;
  Trace trace;
  absl::Notification entered;
  KeyedLock::Guard held;
  scope.Start(
      [](KeyedLock& l) -> Task<KeyedLock::Guard> {
        co_return co_await l.Acquire("a");
      }(locks),
      [&](KeyedLock::Guard guard) { held = std::move(guard); });
  scope.Start(Enter(locks, executor, "a", 1, trace));
  scope.Start(Enter(locks, executor, "b", 2, trace));
  EXPECT_FALSE(scope.WaitIdle(absl::Milliseconds(50)));
  {
    absl::MutexLock lock(&trace.mutex);
    EXPECT_THAT(trace.order, ElementsAre(2));
  }
  held.Release();
  ASSERT_TRUE(scope.WaitIdle(absl::Seconds(30)));
  absl::MutexLock lock(&trace.mutex);
  EXPECT_THAT(trace.order, ElementsAre(2, 1));
}

}  // namespace
}  // namespace gantry::work
