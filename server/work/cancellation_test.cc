#include "server/work/cancellation.h"

#include <optional>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "server/work/cancellable_lock.h"
#include "server/work/executor.h"
#include "server/work/keyed_lock.h"
#include "server/work/task.h"
#include "server/work/task_scope.h"

namespace gantry::work {
namespace {

constexpr absl::Duration kLong = absl::Seconds(20);

TEST(Cancellation, CallsThoseWhoWatchOnceAndCopiesShareIt) {
  Cancellation cancellation;
  const Cancellation copy = cancellation;
  int called = 0;
  Cancellation::Watch watch = copy.OnCancel([&] { ++called; });
  EXPECT_FALSE(copy.IsCancelled());
  cancellation.Cancel();
  cancellation.Cancel();
  EXPECT_TRUE(copy.IsCancelled());
  EXPECT_EQ(called, 1);
}

TEST(Cancellation, WhoComesTooLateIsCalledAtOnce) {
  Cancellation cancellation;
  cancellation.Cancel();
  int called = 0;
  Cancellation::Watch watch = cancellation.OnCancel([&] { ++called; });
  EXPECT_EQ(called, 1);
}

TEST(Cancellation, WhoNoLongerWatchesIsNotCalled) {
  Cancellation cancellation;
  int called = 0;
  {
    Cancellation::Watch watch = cancellation.OnCancel([&] { ++called; });
  }
  cancellation.Cancel();
  EXPECT_EQ(called, 0);
}

TEST(Cancellation, ACallbackMayCancelAnotherOne) {
  Cancellation outer;
  Cancellation inner;
  Cancellation::Watch watch = outer.OnCancel([inner] { inner.Cancel(); });
  outer.Cancel();
  EXPECT_TRUE(inner.IsCancelled());
}

class CancellableLockTest : public ::testing::Test {
 protected:
  using Guard = std::optional<KeyedLock::Guard>;
  // Notifies once the answer is in `answer`.
  void Acquire(const Cancellation& cancellation, Guard* answer,
               absl::Notification* done) {
    tasks_.Start(
        AcquireUnlessCancelled(locks_, "k", executor_, tasks_, cancellation),
        [answer, done](Guard guard) {
          *answer = std::move(guard);
          done->Notify();
        });
  }

  Executor executor_{"test", 2};
  KeyedLock locks_{executor_};
  TaskScope tasks_;
};

TEST_F(CancellableLockTest, GivesTheLockInItsTurn) {
  Guard first, second;
  absl::Notification first_done, second_done;
  Acquire({}, &first, &first_done);
  ASSERT_TRUE(first_done.WaitForNotificationWithTimeout(kLong));
  ASSERT_TRUE(first.has_value());
  Acquire({}, &second, &second_done);
  EXPECT_FALSE(second_done.WaitForNotificationWithTimeout(absl::Seconds(0.05)));
  first.reset();
  ASSERT_TRUE(second_done.WaitForNotificationWithTimeout(kLong));
  EXPECT_TRUE(second.has_value());
}

TEST_F(CancellableLockTest, AWaiterGivesUpWhileTheLockIsHeld) {
  Guard first, second, third;
  absl::Notification first_done, second_done, third_done;
  Acquire({}, &first, &first_done);
  ASSERT_TRUE(first_done.WaitForNotificationWithTimeout(kLong));
  Cancellation cancellation;
  Acquire(cancellation, &second, &second_done);
  cancellation.Cancel();
  ASSERT_TRUE(second_done.WaitForNotificationWithTimeout(kLong));
  EXPECT_FALSE(second.has_value());
  // The place in line that was given up holds nobody up.
  Acquire({}, &third, &third_done);
  first.reset();
  ASSERT_TRUE(third_done.WaitForNotificationWithTimeout(kLong));
  EXPECT_TRUE(third.has_value());
  third.reset();
  EXPECT_TRUE(tasks_.WaitIdle(kLong));
}

}  // namespace
}  // namespace gantry::work
