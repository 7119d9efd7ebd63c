// A value that one thread sets and one coroutine waits for.
//
//   OneShot<absl::StatusOr<Reply>> reply(executor);
//   client.Send(request, [reply](auto r) { reply.Set(std::move(r)); });
//   auto timer = loop.SetTimeout(5s, [reply] { reply.Set(Late()); });
//   absl::StatusOr<Reply> answer = co_await reply.Wait();
//
// The first Set wins and returns true. Copies share the value; the waiter goes
// on on a thread of the executor, or at once when the value is there already.
// Thread safety: Set from any thread; Wait by one coroutine, once.

#ifndef GANTRY_SERVER_WORK_ONE_SHOT_H_
#define GANTRY_SERVER_WORK_ONE_SHOT_H_

#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/work/executor.h"

namespace gantry::work {

template <typename T>
class OneShot {
 public:
  explicit OneShot(Executor& executor)
      : state_(std::make_shared<State>(executor)) {}

  bool Set(T value) const {
    std::coroutine_handle<> waiter;
    {
      absl::MutexLock lock(&state_->mutex);
      if (state_->set) return false;
      state_->set = true;
      state_->value.emplace(std::move(value));
      waiter = std::exchange(state_->waiter, {});
    }
    if (waiter) state_->executor.Post([waiter] { waiter.resume(); });
    return true;
  }

  bool IsSet() const {
    absl::MutexLock lock(&state_->mutex);
    return state_->set;
  }

  auto Wait() const {
    struct Awaiter {
      std::shared_ptr<State> state;
      bool await_ready() const noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> waiter) const {
        absl::MutexLock lock(&state->mutex);
        if (state->set) return false;
        state->waiter = waiter;
        return true;
      }
      T await_resume() const {
        absl::MutexLock lock(&state->mutex);
        return *std::move(state->value);
      }
    };
    return Awaiter{state_};
  }

 private:
  struct State {
    explicit State(Executor& e) : executor(e) {}
    Executor& executor;
    absl::Mutex mutex;
    bool set ABSL_GUARDED_BY(mutex) = false;
    std::optional<T> value ABSL_GUARDED_BY(mutex);
    std::coroutine_handle<> waiter ABSL_GUARDED_BY(mutex);
  };
  std::shared_ptr<State> state_;
};

}  // namespace gantry::work

#endif  // GANTRY_SERVER_WORK_ONE_SHOT_H_
