// A bounded pool of threads that resumes coroutines.
//
// gantryd has two: one of a few threads for use cases, whose steps are short
// (a record, a spawn, a cgroup file), and one for work that blocks long
// (unpacking a layer, hashing a blob). Threads are made when needed and end
// when idle, so that a quiet server stays small; the last one stays, so that
// there is one for what is posted while the machine gives no more threads. Of
// the idle ones the last to have worked works next: its stack is warm, and the
// others get to their end while calls still trickle in.
//
// Thread safety: all methods from any thread. Ownership: must outlive what is
// posted to it; the destructor runs what is queued, then joins.

#ifndef GANTRY_SERVER_WORK_EXECUTOR_H_
#define GANTRY_SERVER_WORK_EXECUTOR_H_

#include <coroutine>
#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/work/task.h"
#include "server/work/thread.h"

namespace gantry::work {

struct ExecutorOptions {
  absl::AnyInvocable<absl::StatusOr<std::thread>(
      const std::string& name, absl::AnyInvocable<void()> body)>
      make_thread = StartThread;
  // A thread without work for so long ends.
  absl::Duration idle_time = absl::Seconds(10);
  // If set, called on a thread that is about to end and leave only the last
  // one: a burst of work is over. From any thread of the pool; may block.
  std::function<void()> after_burst;
};

class Executor {
 public:
  // `name` is shown by the kernel for its threads (15 characters are kept).
  Executor(std::string name, int max_threads, ExecutorOptions options = {});
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Makes the first thread, which is otherwise done when it is needed and may
  // then not be possible: what is posted would wait for the next Post.
  absl::Status Begin();

  // Never fails: without a thread of its own it waits for one that is there.
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
  // A thread that waits for work; lies on its stack.
  struct Idle {
    absl::CondVar wake;
    bool called = false;
  };

  void Work();
  void WorkOff() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits to be called. False: it took longer than idle_time, and there are
  // others.
  bool AwaitCall() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AddThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t Living() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return threads_.size() - ended_.size();
  }
  void JoinEnded() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string name_;
  const int max_threads_;
  ExecutorOptions options_;  // make_thread: guarded by mutex_
  absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  // Threads that ended for want of work and wait to be joined.
  std::vector<std::thread::id> ended_ ABSL_GUARDED_BY(mutex_);
  // Those that nobody has called yet; who became idle last is at the end.
  std::vector<Idle*> idle_ ABSL_GUARDED_BY(mutex_);
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
