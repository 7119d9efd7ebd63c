// One thread that runs an epoll loop: the sockets and pidfds of the shims, the
// pipes of ExecSync and all timers of the server are watched here, so that
// waiting for one of them holds no thread.
//
// What runs on this thread must be short and must not block.
// Thread safety: Post, SetTimeout, Sleep and OnLoopThread from any thread;
// loop() only on the loop's thread. Ownership: must outlive everything that
// refers to it; timers and posted work that did not run are dropped at the end.

#ifndef GANTRY_SERVER_WORK_LOOP_THREAD_H_
#define GANTRY_SERVER_WORK_LOOP_THREAD_H_

#include <coroutine>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "runtime/sys/epoll_loop.h"
#include "server/work/executor.h"

namespace gantry::work {

// A timer that has not fired; cancelled when it is destroyed. A callback that
// runs at that moment on the loop's thread is not waited for: it must own (or
// share) what it uses.
class [[nodiscard]] Timeout {
 public:
  Timeout() = default;
  Timeout(Timeout&&) noexcept = default;
  Timeout& operator=(Timeout&& other) noexcept {
    Cancel();
    state_ = std::move(other.state_);
    return *this;
  }
  ~Timeout() { Cancel(); }

  // Does nothing after it fired. From any thread.
  void Cancel();
  // Lets it fire without anybody holding it.
  void Detach() { state_.reset(); }

 private:
  friend class LoopThread;
  struct State;
  explicit Timeout(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

class LoopThread {
 public:
  // `name` is shown by the kernel for the thread. Coroutines that slept go on
  // on `executor`, which must outlive this.
  static absl::StatusOr<std::unique_ptr<LoopThread>> Start(std::string name,
                                                           Executor& executor);
  ~LoopThread();
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // Runs `work` on the loop's thread, in the order of the calls.
  void Post(absl::AnyInvocable<void()> work);
  // The same, but at once if this is the loop's thread.
  void RunOnLoop(absl::AnyInvocable<void()> work);

  // Runs `fire` on the loop's thread once `after` has passed (suspend of the
  // machine counts), unless cancelled.
  Timeout SetTimeout(absl::Duration after, absl::AnyInvocable<void()> fire);

  // co_await loop.Sleep(absl::Seconds(1)): goes on on the executor.
  auto Sleep(absl::Duration duration) {
    struct Awaiter {
      LoopThread& loop;
      absl::Duration duration;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> waiter) const {
        Executor& executor = loop.executor_;
        loop.SetTimeout(duration,
                        [waiter, &executor] {
                          executor.Post([waiter] { waiter.resume(); });
                        })
            .Detach();
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this, duration};
  }

  bool OnLoopThread() const;

  // For handlers of descriptors; only on the loop's thread.
  sys::EpollLoop& loop() { return *loop_; }

 private:
  LoopThread(std::unique_ptr<sys::EpollLoop> loop, Executor& executor);

  std::unique_ptr<sys::EpollLoop> loop_;
  Executor& executor_;
  std::thread thread_;
};

}  // namespace gantry::work

#endif  // GANTRY_SERVER_WORK_LOOP_THREAD_H_
