// Waiting for a KeyedLock that can be given up.
//
// Thread safety: as KeyedLock.

#ifndef GANTRY_SERVER_WORK_CANCELLABLE_LOCK_H_
#define GANTRY_SERVER_WORK_CANCELLABLE_LOCK_H_

#include <optional>
#include <string>
#include <utility>

#include "server/work/cancellation.h"
#include "server/work/executor.h"
#include "server/work/keyed_lock.h"
#include "server/work/one_shot.h"
#include "server/work/task.h"
#include "server/work/task_scope.h"

namespace gantry::work {

namespace internal {

using LateGuard = OneShot<std::optional<KeyedLock::Guard>>;

inline Task<void> AcquireInto(KeyedLock& locks, std::string key,
                              LateGuard shot) {
  KeyedLock::Guard guard = co_await locks.Acquire(std::move(key));
  // Released at once if nobody waits any more.
  shot.Set(std::move(guard));
}

}  // namespace internal

// The lock of `key`, or nullopt once cancelled, however long its holder takes.
// `tasks` counts what still stands in line then.
inline Task<std::optional<KeyedLock::Guard>> AcquireUnlessCancelled(
    KeyedLock& locks, std::string key, Executor& executor, TaskScope& tasks,
    Cancellation cancellation) {
  internal::LateGuard shot(executor);
  Cancellation::Watch watch =
      cancellation.OnCancel([shot] { shot.Set(std::nullopt); });
  tasks.Start(internal::AcquireInto(locks, std::move(key), shot));
  co_return co_await shot.Wait();
}

}  // namespace gantry::work

#endif  // GANTRY_SERVER_WORK_CANCELLABLE_LOCK_H_
