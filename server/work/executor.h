// A bounded pool of threads that resumes coroutines.
//
// gantryd has two: one of a few threads for use cases, whose steps are short
// (a record, a spawn, a cgroup file), and one for work that blocks long
// (unpacking a layer, hashing a blob). Threads are made when needed and end
// when idle, so that a quiet server stays small.
//
// Thread safety: all methods from any thread. Ownership: must outlive what is
// posted to it; the destructor runs what is queued, then joins.

#ifndef GANTRY_SERVER_WORK_EXECUTOR_H_
#define GANTRY_SERVER_WORK_EXECUTOR_H_

#include <coroutine>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "server/work/task.h"

namespace gantry::work {

class Executor {
 public:
  // `name` is shown by the kernel for its threads (15 characters are kept).
  Executor(std::string name, int max_threads);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  void Post(absl::AnyInvocable<void()> work);

  // co_await executor.Schedule(): goes on on one of this pool's threads.
  auto Schedule() {
    struct Awaiter {
      Executor& executor;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> waiter) const {
        executor.Post([waiter] { waiter.resume(); });
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }

 private:
  void Work();
  void JoinEnded() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasWorkOrStopping() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  }

  const std::string name_;
  const int max_threads_;
  absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  // Threads that ended for want of work and wait to be joined.
  std::vector<std::thread::id> ended_ ABSL_GUARDED_BY(mutex_);
  int idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

// Runs `blocking` on a thread of `pool`, then goes on on one of `home`.
template <typename F>
auto RunOn(Executor& pool, Executor& home, F blocking)
    -> Task<decltype(blocking())> {
  co_await pool.Schedule();
  auto result = blocking();
  co_await home.Schedule();
  co_return result;
}

}  // namespace gantry::work

#endif  // GANTRY_SERVER_WORK_EXECUTOR_H_
