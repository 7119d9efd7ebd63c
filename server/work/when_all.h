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

namespace internal {

inline Task<void> OnExecutor(Executor& executor, Task<void> task) {
  co_await executor.Schedule();
  co_await std::move(task);
}

}  // namespace internal

// Each task begins on a thread of `executor`.
inline Task<void> WhenAll(Executor& executor, std::vector<Task<void>> tasks) {
  if (tasks.empty()) co_return;
  OneShot<bool> all(executor);
  auto running = std::make_shared<std::atomic<size_t>>(tasks.size());
  for (Task<void>& task : tasks) {
    StartDetached(internal::OnExecutor(executor, std::move(task)),
                  [all, running] {
                    if (--*running == 0) all.Set(true);
                  });
  }
  co_await all.Wait();
}

}  // namespace gantry::work

#endif  // GANTRY_SERVER_WORK_WHEN_ALL_H_
