// Task<T>: a coroutine that is awaited by another one. The use cases of
// server/core are written as straight code that waits with co_await for locks,
// shims, timers and pools, so that waiting never holds a thread.
//
//   Task<absl::StatusOr<int>> Answer(Store& store, std::string id) {
//     auto guard = co_await store.locks().Acquire(id);
//     CO_ASSIGN_OR_RETURN(int n, co_await store.Load(id));
//     co_return n + 1;
//   }
//
// A Task does nothing until it is awaited or started (StartDetached). It runs
// on whatever thread resumes it; Executor::Schedule moves it.
//
// Rules of this house, for a frame outlives the call that made it:
//   - parameters by value, or references to objects that live as long as the
//     server (stores, executors): never a view of a temporary;
//   - no coroutine lambdas with captures;
//   - a lambda in a co_await expression captures by reference: GCC 12 destroys
//     twice what it would own;
//   - no absl::Mutex held over a co_await (a KeyedLock guard may be).
//
// Ownership: a Task owns its frame; destroying one that was started and has
// not finished is a bug. Thread safety: a Task is used by one thread at a time.
// Exceptions are not part of this project: one that escapes ends the process.

#ifndef GANTRY_SERVER_WORK_TASK_H_
#define GANTRY_SERVER_WORK_TASK_H_

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace gantry::work {

template <typename T>
class Task;

namespace internal {

struct TaskPromiseBase {
  struct ResumeContinuation {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(
        std::coroutine_handle<Promise> finished) const noexcept {
      return finished.promise().continuation;
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  ResumeContinuation final_suspend() const noexcept { return {}; }
  void unhandled_exception() const noexcept { std::terminate(); }

  // Who waits; set before the task first runs.
  std::coroutine_handle<> continuation = std::noop_coroutine();
};

template <typename T>
struct TaskPromise : TaskPromiseBase {
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T TakeValue() { return *std::move(value); }

  std::optional<T> value;
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object();
  void return_void() const noexcept {}
  void TakeValue() const noexcept {}
};

}  // namespace internal

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  struct Awaiter {
    Handle handle;
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(
        std::coroutine_handle<> waiter) const noexcept {
      handle.promise().continuation = waiter;
      return handle;
    }
    T await_resume() const { return handle.promise().TakeValue(); }
  };
  Awaiter operator co_await() && noexcept { return Awaiter{handle_}; }

 private:
  friend promise_type;
  explicit Task(Handle handle) : handle_(handle) {}

  Handle handle_;
};

namespace internal {

template <typename T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

// A frame that frees itself at its end: the root of every chain of tasks.
struct Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

template <typename T, typename Done>
Detached RunDetached(Task<T> task, Done done) {
  done(co_await std::move(task));
}
template <typename Done>
Detached RunDetachedVoid(Task<void> task, Done done) {
  co_await std::move(task);
  done();
}

}  // namespace internal

// Runs `task` on the calling thread until it first waits; `done` gets its
// value on the thread it ends on. What `task` and `done` refer to must live
// until then (TaskScope counts tasks for that).
template <typename T, typename Done>
void StartDetached(Task<T> task, Done done) {
  internal::RunDetached(std::move(task), std::move(done));
}
template <typename Done>
void StartDetached(Task<void> task, Done done) {
  internal::RunDetachedVoid(std::move(task), std::move(done));
}

}  // namespace gantry::work

#endif  // GANTRY_SERVER_WORK_TASK_H_
