#include "server/work/executor.h"

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <ios>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "server/work/task.h"
#include "server/work/thread.h"

namespace gantry::work {
namespace {

using ::gantry::testing::StatusIs;

Task<bool> HopsTo(Executor& executor, std::thread::id from) {
  co_await executor.Schedule();
  co_return std::this_thread::get_id() != from;
}

TEST(Executor, ScheduleMovesTheCoroutine) {
  Executor executor("test", 2);
  absl::Notification done;
  bool hopped = false;
  StartDetached(HopsTo(executor, std::this_thread::get_id()), [&](bool value) {
    hopped = value;
    done.Notify();
  });
  done.WaitForNotification();
  EXPECT_TRUE(hopped);
}

TEST(Executor, RunsAllThatWasPostedBeforeItEnds) {
  std::atomic<int> ran = 0;
  {
    Executor executor("test", 4);
    for (int i = 0; i < 1000; ++i) executor.Post([&ran] { ++ran; });
  }
  EXPECT_EQ(ran, 1000);
}

TEST(Executor, BlockedThreadsDoNotStopOthersUpToTheBound) {
  Executor executor("test", 2);
  absl::Notification release, second_ran;
  executor.Post([&] { release.WaitForNotification(); });
  executor.Post([&] { second_ran.Notify(); });
  EXPECT_TRUE(second_ran.WaitForNotificationWithTimeout(absl::Seconds(20)));
  release.Notify();
}

// Makes so many threads and then no more.
ExecutorOptions AtMost(int threads) {
  ExecutorOptions options;
  options.make_thread = [threads](const std::string& name,
                                  absl::AnyInvocable<void()> body) mutable
      -> absl::StatusOr<std::thread> {
    if (threads == 0) return absl::ResourceExhaustedError("no more threads");
    --threads;
    return StartThread(name, std::move(body));
  };
  return options;
}

TEST(Executor, OneThreadDoesTheWorkOfThoseThatCannotBeMade) {
  std::atomic<int> ran = 0;
  Executor executor("test", 4, AtMost(1));
  ASSERT_OK(executor.Begin());
  absl::Notification release, last_ran;
  executor.Post([&] { release.WaitForNotification(); });
  for (int i = 0; i < 100; ++i) executor.Post([&ran] { ++ran; });
  executor.Post([&] { last_ran.Notify(); });
  EXPECT_EQ(ran, 0);
  release.Notify();
  EXPECT_TRUE(last_ran.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_EQ(ran, 100);
}

TEST(Executor, TellsThatItHasNoThreadAtAll) {
  Executor executor("test", 4, AtMost(0));
  EXPECT_THAT(executor.Begin(), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(Executor, TheFirstThreadStaysWithoutWork) {
  ExecutorOptions options = AtMost(1);
  options.idle_time = absl::Milliseconds(1);
  Executor executor("test", 4, std::move(options));
  ASSERT_OK(executor.Begin());
  // Longer than an idle thread stays: it is the only one there will be.
  absl::SleepFor(absl::Milliseconds(100));
  absl::Notification ran;
  executor.Post([&] { ran.Notify(); });
  EXPECT_TRUE(ran.WaitForNotificationWithTimeout(absl::Seconds(20)));
}

// Has so many threads busy at once, and waits until they no longer are.
void Burst(Executor& executor, int threads) {
  absl::BlockingCounter started(threads);
  absl::BlockingCounter ended(threads);
  absl::Notification release;
  for (int i = 0; i < threads; ++i) {
    executor.Post([&] {
      started.DecrementCount();
      release.WaitForNotification();
      ended.DecrementCount();
    });
  }
  started.Wait();
  release.Notify();
  ended.Wait();
}

std::thread::id WhoWorks(Executor& executor) {
  std::thread::id id;
  absl::Notification worked;
  executor.Post([&] {
    id = std::this_thread::get_id();
    worked.Notify();
  });
  worked.WaitForNotification();
  return id;
}

TEST(Executor, ThreadsThatATrickleOfWorkDoesNotNeedEnd) {
  std::atomic<int> bursts = 0;
  Executor executor(
      "test", 4,
      {.idle_time = absl::Milliseconds(200), .after_burst = [&] { ++bursts; }});
  ASSERT_OK(executor.Begin());
  Burst(executor, 4);
  // Taking turns, each of the four would work often enough to stay.
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (bursts == 0 && absl::Now() < deadline) {
    WhoWorks(executor);
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_GE(bursts, 1);
}

TEST(Executor, WorksOnAfterABurst) {
  std::atomic<int> bursts = 0;
  Executor executor(
      "test", 2,
      {.idle_time = absl::Milliseconds(1), .after_burst = [&] { ++bursts; }});
  ASSERT_OK(executor.Begin());
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (bursts < 20 && absl::Now() < deadline) {
    Burst(executor, 2);
    // Time for one of them to end, or not quite.
    absl::SleepFor(absl::Milliseconds(1));
    EXPECT_NE(WhoWorks(executor), std::thread::id());
  }
  EXPECT_GE(bursts, 20);
}

// Mappings of the size of a thread's stack.
int Stacks() {
  pthread_attr_t attributes;
  size_t size = 0;
  EXPECT_EQ(pthread_getattr_default_np(&attributes), 0);
  EXPECT_EQ(pthread_attr_getstacksize(&attributes, &size), 0);
  pthread_attr_destroy(&attributes);
  std::ifstream maps("/proc/self/maps");
  int stacks = 0;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char dash = 0;
    std::istringstream(line) >> std::hex >> begin >> dash >> end;
    if (end - begin == size && absl::StrContains(line, " rw-p ")) ++stacks;
  }
  return stacks;
}

TEST(Executor, ThreadsThatEndedKeepNoStacks) {
  const int before = Stacks();
  constexpr int kThreads = 24;
  Executor executor("test", kThreads, {.idle_time = absl::Milliseconds(1)});
  Burst(executor, kThreads);
  // The last one, one that ended after all others, and what the C library keeps
  // for the next threads (40 MiB: five).
  constexpr int kMost = 8;
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (Stacks() - before > kMost && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_LE(Stacks() - before, kMost);
}

}  // namespace
}  // namespace gantry::work
