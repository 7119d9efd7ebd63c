#include "server/work/loop_thread.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "server/work/executor.h"
#include "server/work/task.h"

namespace gantry::work {
namespace {

class LoopThreadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(loop_, LoopThread::Start("test-loop", executor_));
  }

  // Whatever was posted before has run.
  void Settle() {
    absl::Notification settled;
    loop_->Post([&settled] { settled.Notify(); });
    settled.WaitForNotification();
  }

  Executor executor_{"test", 2};
  std::unique_ptr<LoopThread> loop_;
};

TEST_F(LoopThreadTest, PostedWorkRunsInOrderOnTheLoopsThread) {
  std::vector<int> order;
  bool on_loop = true;
  for (int i = 0; i < 100; ++i) {
    loop_->Post([&, i] {
      order.push_back(i);
      on_loop = on_loop && loop_->OnLoopThread();
    });
  }
  Settle();
  ASSERT_EQ(order.size(), 100);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
  EXPECT_TRUE(on_loop);
  EXPECT_FALSE(loop_->OnLoopThread());
}

TEST_F(LoopThreadTest, RunOnLoopIsAtOnceOnTheLoopsThread) {
  std::vector<int> order;
  loop_->Post([&] {
    loop_->RunOnLoop([&] { order.push_back(1); });
    order.push_back(2);
  });
  Settle();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(LoopThreadTest, TimeoutFiresOnceAfterItsTime) {
  absl::Notification fired;
  const absl::Time start = absl::Now();
  std::atomic<int> times = 0;
  Timeout timeout = loop_->SetTimeout(absl::Milliseconds(30), [&] {
    ++times;
    fired.Notify();
  });
  fired.WaitForNotification();
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(29));
  timeout.Cancel();
  Settle();
  EXPECT_EQ(times, 1);
}

TEST_F(LoopThreadTest, TimeoutThatIsDroppedOrCancelledNeverFires) {
  std::atomic<int> fired = 0;
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> watch = owned;
  {
    Timeout dropped =
        loop_->SetTimeout(absl::Milliseconds(20),
                          [&fired, owned = std::move(owned)] { ++fired; });
    Timeout cancelled =
        loop_->SetTimeout(absl::Milliseconds(20), [&fired] { ++fired; });
    cancelled.Cancel();
    Timeout assigned_over =
        loop_->SetTimeout(absl::Milliseconds(20), [&fired] { ++fired; });
    assigned_over = Timeout();
  }
  EXPECT_TRUE(watch.expired()) << "what it held is freed at once";
  absl::SleepFor(absl::Milliseconds(60));
  Settle();
  EXPECT_EQ(fired, 0);
}

TEST_F(LoopThreadTest, TimeoutMayCancelAnotherAndItself) {
  auto timeouts = std::make_shared<std::vector<Timeout>>(2);
  std::atomic<int> fired = 0;
  absl::Notification done;
  loop_->Post([&, timeouts] {
    (*timeouts)[0] = loop_->SetTimeout(absl::ZeroDuration(), [&, timeouts] {
      ++fired;
      (*timeouts)[0].Cancel();
      (*timeouts)[1].Cancel();
    });
    (*timeouts)[1] =
        loop_->SetTimeout(absl::Milliseconds(10), [&fired] { ++fired; });
  });
  loop_->SetTimeout(absl::Milliseconds(50), [&done] { done.Notify(); })
      .Detach();
  done.WaitForNotification();
  EXPECT_EQ(fired, 1);
}

Task<absl::Duration> SleepTwice(LoopThread& loop) {
  const absl::Time start = absl::Now();
  co_await loop.Sleep(absl::Milliseconds(10));
  co_await loop.Sleep(absl::Milliseconds(10));
  co_return loop.OnLoopThread() ? absl::InfiniteDuration()
                                : absl::Now() - start;
}

TEST_F(LoopThreadTest, SleepGoesOnOnTheExecutor) {
  absl::Notification done;
  absl::Duration slept;
  StartDetached(SleepTwice(*loop_), [&](absl::Duration duration) {
    slept = duration;
    done.Notify();
  });
  done.WaitForNotification();
  EXPECT_GE(slept, absl::Milliseconds(19));
  EXPECT_LT(slept, absl::Seconds(10)) << "resumed on the loop's thread";
}

TEST_F(LoopThreadTest, ManyThreadsSetAndCancelTimeouts) {
  std::atomic<int> fired = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        Timeout timeout = loop_->SetTimeout(absl::Microseconds(i % 50),
                                            [&fired] { ++fired; });
        if (i % 2 == 0) timeout.Detach();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (fired < 4 * 250 && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  Settle();
  EXPECT_GE(fired, 4 * 250);
  EXPECT_LE(fired, 4 * 500);
}

TEST_F(LoopThreadTest, WhatDidNotRunIsDroppedAtTheEnd) {
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> watch = owned;
  loop_->SetTimeout(absl::Hours(1), [owned = std::move(owned)] {}).Detach();
  loop_.reset();
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace gantry::work
