// Runs tasks side by side and goes on when all have ended.

#ifndef GANTRY_SERVER_WORK_WHEN_ALL_H_
#define GANTRY_SERVER_WORK_WHEN_ALL_H_

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "server/work/executor.h"
#include "server/work/one_shot.h"
#include "server/work/task.h"

namespace gantry::work {

// `task`, begun on a thread of `executor`.
inline Task<void> OnExecutor(Executor& executor, Task<void> task) {
  co_await executor.Schedule();
  co_await std::move(task);
}

// They begin here, one after the other, each when the one before it has ended
// or first waits: one that waits for something else costs no thread a wake-up,
// and goes first.
inline Task<void> Overlap(Executor& executor, std::vector<Task<void>> tasks) {
  if (tasks.empty()) co_return;
  OneShot<bool> all(executor);
  auto running = std::make_shared<std::atomic<size_t>>(tasks.size());
  for (Task<void>& task : tasks) {
    StartDetached(std::move(task), [all, running] {
      if (--*running == 0) all.Set(true);
    });
  }
  co_await all.Wait();
}

// For tasks that block: each begins on a thread of `executor`.
inline Task<void> WhenAll(Executor& executor, std::vector<Task<void>> tasks) {
  std::vector<Task<void>> there;
  there.reserve(tasks.size());
  for (Task<void>& task : tasks) {
    there.push_back(OnExecutor(executor, std::move(task)));
  }
  co_await Overlap(executor, std::move(there));
}

}  // namespace gantry::work

#endif  // GANTRY_SERVER_WORK_WHEN_ALL_H_
