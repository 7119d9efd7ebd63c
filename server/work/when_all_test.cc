#include "server/work/when_all.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/work/executor.h"
#include "server/work/one_shot.h"
#include "server/work/task.h"

namespace gantry::work {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class WhenAllTest : public ::testing::Test {
 protected:
  Task<void> Note(std::string name) {
    absl::MutexLock lock(&mutex_);
    log_.push_back(std::move(name));
    on_callers_thread_ += std::this_thread::get_id() == caller_;
    co_return;
  }
  // Waits for `gate` between its two notes.
  Task<void> NoteTwice(std::string name, OneShot<bool> gate) {
    co_await Note(name + " begins");
    co_await gate.Wait();
    co_await Note(name + " ends");
  }
  Task<void> Open(OneShot<bool> gate) {
    co_await Note("opens");
    gate.Set(true);
  }
  void Run(Task<void> task) {
    absl::Notification done;
    StartDetached(std::move(task), [&done] { done.Notify(); });
    done.WaitForNotification();
  }

  const std::thread::id caller_ = std::this_thread::get_id();
  absl::Mutex mutex_;
  std::vector<std::string> log_;
  int on_callers_thread_ = 0;
  Executor executor_{"test", 2};
};

TEST_F(WhenAllTest, NoTasksAreDoneAtOnce) {
  Run(Overlap(executor_, {}));
  Run(WhenAll(executor_, {}));
}

TEST_F(WhenAllTest, OverlappingTasksBeginHereWhileOthersWait) {
  OneShot<bool> gate(executor_);
  std::vector<Task<void>> tasks;
  tasks.push_back(NoteTwice("first", gate));
  tasks.push_back(Note("second"));
  tasks.push_back(Open(gate));
  Run(Overlap(executor_, std::move(tasks)));
  EXPECT_THAT(log_,
              ElementsAre("first begins", "second", "opens", "first ends"));
  EXPECT_EQ(on_callers_thread_, 3);
}

TEST_F(WhenAllTest, WhenAllTasksBeginOnTheExecutor) {
  OneShot<bool> gate(executor_);
  std::vector<Task<void>> tasks;
  tasks.push_back(NoteTwice("first", gate));
  tasks.push_back(Note("second"));
  tasks.push_back(Open(gate));
  Run(WhenAll(executor_, std::move(tasks)));
  EXPECT_THAT(log_, UnorderedElementsAre("first begins", "first ends", "second",
                                         "opens"));
  EXPECT_EQ(on_callers_thread_, 0);
}

TEST_F(WhenAllTest, OneOfTheOverlappingMayBeginOnTheExecutor) {
  std::vector<Task<void>> tasks;
  tasks.push_back(OnExecutor(executor_, Note("elsewhere")));
  tasks.push_back(Note("here"));
  Run(Overlap(executor_, std::move(tasks)));
  EXPECT_THAT(log_, UnorderedElementsAre("elsewhere", "here"));
  EXPECT_EQ(on_callers_thread_, 1);
}

}  // namespace
}  // namespace gantry::work
