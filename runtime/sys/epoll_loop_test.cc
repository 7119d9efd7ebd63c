#include "runtime/sys/epoll_loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::StatusIs;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using ::testing::ElementsAre;

class EpollLoopTest : public ::testing::Test {
 protected:
  EpollLoopTest() : loop_(EpollLoop::Create().value()) {}

  // A descriptor that is ready to be read from the start.
  UniqueFd Ready() { return UniqueFd(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)); }
  UniqueFd Quiet() { return UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
  // Two rounds of the loop.
  void RunBriefly() {
    loop_->Post([this] { loop_->Post([this] { loop_->Stop(); }); });
    ASSERT_OK(loop_->Run());
  }

  std::unique_ptr<EpollLoop> loop_;
};

TEST_F(EpollLoopTest, CallsTheHandlerWithWhatIsReady) {
  UniqueFd fd = Ready();
  uint32_t seen = 0;
  ASSERT_OK(loop_->Add(fd.get(), EPOLLIN | EPOLLOUT, [&](uint32_t events) {
    seen = events;
    loop_->Stop();
  }));
  ASSERT_OK(loop_->Run());
  EXPECT_EQ(seen, EPOLLIN | EPOLLOUT);
}

TEST_F(EpollLoopTest, ModifyChangesWhatIsWaitedFor) {
  UniqueFd fd = Ready();
  int calls = 0;
  ASSERT_OK(loop_->Add(fd.get(), 0, [&](uint32_t) {
    ++calls;
    EXPECT_OK(loop_->Modify(fd.get(), 0));
  }));
  RunBriefly();
  EXPECT_EQ(calls, 0);
  ASSERT_OK(loop_->Modify(fd.get(), EPOLLIN));
  RunBriefly();
  EXPECT_EQ(calls, 1);
}

TEST_F(EpollLoopTest, WrongDescriptorsAreRefused) {
  UniqueFd fd = Quiet();
  ASSERT_OK(loop_->Add(fd.get(), EPOLLIN, [](uint32_t) {}));
  EXPECT_THAT(loop_->Add(fd.get(), EPOLLIN, [](uint32_t) {}),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(ErrnoOf(loop_->Add(-1, EPOLLIN, [](uint32_t) {})), EBADF);
  EXPECT_EQ(ErrnoOf(loop_->Add(1000, EPOLLIN, [](uint32_t) {})), EBADF);
  EXPECT_EQ(ErrnoOf(loop_->Modify(1001, EPOLLIN)), ENOENT);
  loop_->Remove(1001);
  loop_->Remove(-1);
}

TEST_F(EpollLoopTest, AHandlerMayRemoveAllOthersOfItsBatch) {
  std::vector<UniqueFd> fds;
  int calls = 0;
  for (int i = 0; i < 5; ++i) fds.push_back(Ready());
  for (const UniqueFd& fd : fds) {
    ASSERT_OK(loop_->Add(fd.get(), EPOLLIN, [&](uint32_t) {
      ++calls;
      for (const UniqueFd& other : fds) loop_->Remove(other.get());
    }));
  }
  RunBriefly();
  EXPECT_EQ(calls, 1);
}

TEST_F(EpollLoopTest, AHandlerThatRemovesItselfLivesUntilItReturns) {
  UniqueFd fd = Ready();
  auto owned = std::make_shared<std::string>("still here");
  std::weak_ptr<std::string> watch = owned;
  std::string seen;
  ASSERT_OK(loop_->Add(fd.get(), EPOLLIN,
                       [this, &fd, &seen, owned = std::move(owned)](uint32_t) {
                         loop_->Remove(fd.get());
                         seen = *owned;
                       }));
  RunBriefly();
  EXPECT_EQ(seen, "still here");
  EXPECT_TRUE(watch.expired());
}

// The number of a closed descriptor comes back at once; an event fetched for
// the old one must not reach the new handler.
TEST_F(EpollLoopTest, AnEventOfARemovedWatchDoesNotReachItsSuccessor) {
  UniqueFd fds[2] = {Ready(), Ready()};
  int old_calls = 0, wrong_calls = 0;
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(loop_->Add(fds[i].get(), EPOLLIN, [&, i](uint32_t) {
      ++old_calls;
      const int number = fds[1 - i].get();
      loop_->Remove(fds[0].get());
      loop_->Remove(fds[1].get());
      fds[1 - i] = Quiet();
      // dup2 makes it the same number whatever else was free.
      UniqueFd quiet = Quiet();
      if (fds[1 - i].get() != number) dup2(quiet.get(), number);
      EXPECT_OK(loop_->Add(number, EPOLLIN, [&](uint32_t) { ++wrong_calls; }));
    }));
  }
  RunBriefly();
  EXPECT_EQ(old_calls, 1);
  EXPECT_EQ(wrong_calls, 0);
}

TEST_F(EpollLoopTest, TimersRunInTheOrderOfTheirTimes) {
  std::vector<int> ran;
  loop_->AddTimer(milliseconds(20), [&] {
    ran.push_back(3);
    loop_->Stop();
  });
  loop_->AddTimer(milliseconds(10), [&] { ran.push_back(2); });
  loop_->AddTimerAt(1, [&] { ran.push_back(0); });
  loop_->AddTimer(nanoseconds(-5), [&] { ran.push_back(1); });
  const int64_t start = EpollLoop::BootNanos();
  ASSERT_OK(loop_->Run());
  EXPECT_GE(EpollLoop::BootNanos() - start, 20'000'000);
  EXPECT_THAT(ran, ElementsAre(0, 1, 2, 3));
}

TEST_F(EpollLoopTest, ACancelledTimerDoesNotRunAndFreesWhatItHolds) {
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> watch = held;
  const EpollLoop::TimerId id = loop_->AddTimer(
      milliseconds(1), [held = std::move(held)] { ADD_FAILURE(); });
  loop_->CancelTimer(id);
  EXPECT_TRUE(watch.expired());
  loop_->CancelTimer(id);
  loop_->CancelTimer({});
  loop_->AddTimer(milliseconds(10), [&] { loop_->Stop(); });
  ASSERT_OK(loop_->Run());
}

TEST_F(EpollLoopTest, ATimerMayCancelAnotherThatIsDueAndAddItselfAgain) {
  EpollLoop::TimerId second;
  int rounds = 0;
  std::function<void()> first = [&] {
    loop_->CancelTimer(second);
    if (++rounds == 3) return loop_->Stop();
    loop_->AddTimerAt(1, [&] { first(); });
  };
  loop_->AddTimerAt(1, [&] { first(); });
  second = loop_->AddTimerAt(2, [] { ADD_FAILURE() << "was cancelled"; });
  ASSERT_OK(loop_->Run());
  EXPECT_EQ(rounds, 3);
}

TEST_F(EpollLoopTest, AnEarlierTimerAddedLaterIsNotLate) {
  loop_->AddTimer(std::chrono::hours(1), [] { ADD_FAILURE(); });
  loop_->Post(
      [&] { loop_->AddTimer(milliseconds(5), [&] { loop_->Stop(); }); });
  const int64_t start = EpollLoop::BootNanos();
  ASSERT_OK(loop_->Run());
  EXPECT_LT(EpollLoop::BootNanos() - start, 60'000'000'000);
  loop_->AddTimer(nanoseconds::max(), [] { ADD_FAILURE(); });
}

TEST_F(EpollLoopTest, PostsFromManyThreadsAllRunInEachThreadsOrder) {
  constexpr int kThreads = 4, kPosts = 2000;
  std::vector<int> last(kThreads, -1);
  int total = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop_->Post([&, t, i] {
          EXPECT_EQ(last[t], i - 1);
          last[t] = i;
          if (++total == kThreads * kPosts) loop_->Stop();
        });
      }
    });
  }
  ASSERT_OK(loop_->Run());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(total, kThreads * kPosts);
}

TEST_F(EpollLoopTest, StopFromAnotherThreadOrBeforeRunEndsIt) {
  loop_->Stop();
  ASSERT_OK(loop_->Run());
  std::thread stopper([&] { loop_->Stop(); });
  ASSERT_OK(loop_->Run());
  stopper.join();
  RunBriefly();
}

TEST_F(EpollLoopTest, WhatHandlersHoldMayCallTheLoopWhenItEnds) {
  struct Client {
    Client(EpollLoop* loop, UniqueFd fd) : loop(loop), fd(std::move(fd)) {}
    EpollLoop* loop;
    UniqueFd fd;
    ~Client() { loop->Remove(fd.get()); }
  };
  auto client = std::make_shared<Client>(loop_.get(), Quiet());
  ASSERT_OK(loop_->Add(client->fd.get(), EPOLLIN, [client](uint32_t) {}));
  loop_->Post([client] {});
  loop_->AddTimer(milliseconds(1), [client] {});
  client.reset();
  loop_.reset();
}

}  // namespace
}  // namespace gantry::sys
