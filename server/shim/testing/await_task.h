// Runs a task to its end from a test's thread.

#ifndef GANTRY_SERVER_SHIM_TESTING_AWAIT_TASK_H_
#define GANTRY_SERVER_SHIM_TESTING_AWAIT_TASK_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/synchronization/notification.h"
#include "server/work/task.h"

namespace gantry::shim_client {

// A task that was started and whose value is fetched later, once.
template <typename T>
class Running {
 public:
  explicit Running(work::Task<T> task) : state_(std::make_shared<State>()) {
    work::StartDetached(std::move(task), [state = state_](T value) {
      state->value.emplace(std::move(value));
      state->done.Notify();
    });
  }

  bool Done() const { return state_->done.HasBeenNotified(); }
  T Get() {
    state_->done.WaitForNotification();
    return *std::move(state_->value);
  }

 private:
  struct State {
    absl::Notification done;
    std::optional<T> value;
  };
  std::shared_ptr<State> state_;
};

template <typename T>
T Await(work::Task<T> task) {
  return Running<T>(std::move(task)).Get();
}

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_TESTING_AWAIT_TASK_H_
