// Word that nobody waits for the result any more: the client has gone, or its
// deadline has passed.
//
//   work::Cancellation cancellation;              // copies share it
//   auto watch = cancellation.OnCancel([shot] { shot.Set(kGone); });
//   while (!cancellation.IsCancelled()) ...       // what blocks asks
//   cancellation.Cancel();                        // once is enough, for good
//
// Thread safety: all methods from any thread. A callback runs on the thread
// that cancels, or on the one that registers it too late, without a lock; it
// must be short. Once a Watch is gone its callback does not begin any more, but
// one that runs at that moment is not waited for: it must own (or share) what
// it uses.

#ifndef GANTRY_SERVER_WORK_CANCELLATION_H_
#define GANTRY_SERVER_WORK_CANCELLATION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace gantry::work {

class Cancellation {
  using Callback = absl::AnyInvocable<void()>;
  struct State {
    absl::Mutex mutex;
    bool cancelled ABSL_GUARDED_BY(mutex) = false;
    uint64_t last ABSL_GUARDED_BY(mutex) = 0;
    std::map<uint64_t, Callback> callbacks ABSL_GUARDED_BY(mutex);
  };

 public:
  Cancellation() : state_(std::make_shared<State>()) {}

  // Keeps a callback registered while it lives.
  class [[nodiscard]] Watch {
   public:
    Watch() = default;
    Watch(Watch&&) noexcept = default;
    Watch& operator=(Watch&&) = delete;
    ~Watch() {
      if (state_ == nullptr) return;
      absl::MutexLock lock(&state_->mutex);
      state_->callbacks.erase(id_);
    }

   private:
    friend class Cancellation;
    Watch(std::shared_ptr<State> state, uint64_t id)
        : state_(std::move(state)), id_(id) {}
    std::shared_ptr<State> state_;
    uint64_t id_ = 0;
  };

  void Cancel() const {
    std::map<uint64_t, Callback> callbacks;
    {
      absl::MutexLock lock(&state_->mutex);
      state_->cancelled = true;
      callbacks.swap(state_->callbacks);
    }
    for (auto& [id, callback] : callbacks) callback();
  }

  bool IsCancelled() const {
    absl::MutexLock lock(&state_->mutex);
    return state_->cancelled;
  }

  Watch OnCancel(Callback callback) const {
    {
      absl::MutexLock lock(&state_->mutex);
      if (!state_->cancelled) {
        const uint64_t id = ++state_->last;
        state_->callbacks.emplace(id, std::move(callback));
        return Watch(state_, id);
      }
    }
    callback();
    return Watch();
  }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace gantry::work

#endif  // GANTRY_SERVER_WORK_CANCELLATION_H_
