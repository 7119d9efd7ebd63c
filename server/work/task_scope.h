// Counts the detached tasks of the server so that it can drain: at SIGTERM no
// new ones are started and those under way come to their end.
//
// Thread safety: all methods from any thread. WaitIdle blocks.

#ifndef GANTRY_SERVER_WORK_TASK_SCOPE_H_
#define GANTRY_SERVER_WORK_TASK_SCOPE_H_

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/work/task.h"

namespace gantry::work {

class TaskScope {
 public:
  // Starts `task` on the calling thread (see StartDetached).
  void Start(Task<void> task) {
    Begin();
    StartDetached(std::move(task), [this] { End(); });
  }
  template <typename T, typename Done>
  void Start(Task<T> task, Done done) {
    Begin();
    StartDetached(std::move(task),
                  [this, done = std::move(done)](T value) mutable {
                    done(std::move(value));
                    End();
                  });
  }

  // Whether all tasks ended within `timeout`.
  bool WaitIdle(absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(
        absl::Condition(
            +[](int* running) { return *running == 0; }, &running_),
        timeout);
  }

 private:
  void Begin() {
    absl::MutexLock lock(&mutex_);
    ++running_;
  }
  void End() {
    absl::MutexLock lock(&mutex_);
    --running_;
  }

  absl::Mutex mutex_;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gantry::work

#endif  // GANTRY_SERVER_WORK_TASK_SCOPE_H_
