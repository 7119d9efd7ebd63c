// An event per change of state of a pod or a container, in order, for any
// number of subscribers, none of whom can hold up the server.
//
// Thread safety: all methods from any thread; Publish never blocks. A
// subscriber that lets its queue fill up loses its oldest events and is told
// how many.

#ifndef GANTRY_SERVER_CORE_EVENTS_H_
#define GANTRY_SERVER_CORE_EVENTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace gantry::core {

struct Event {
  enum class Kind { kCreated, kStarted, kStopped, kDeleted };
  Kind kind = Kind::kCreated;
  std::string pod_id;
  // Empty: of the pod itself.
  std::string container_id;
  int64_t at = 0;  // ns since the epoch
};

class EventBus {
 public:
  class Subscription {
   public:
    // `wake` is called, from any thread, when there is something to take.
    explicit Subscription(std::function<void()> wake)
        : wake_(std::move(wake)) {}

    // Everything that has come since the last call, oldest first; `lost` gets
    // the number of events dropped before them.
    std::vector<Event> Take(size_t* lost) {
      absl::MutexLock lock(&mutex_);
      *lost = std::exchange(lost_, 0);
      std::vector<Event> taken(queue_.begin(), queue_.end());
      queue_.clear();
      return taken;
    }

   private:
    friend class EventBus;
    static constexpr size_t kLimit = 4096;

    void Put(const Event& event) {
      {
        absl::MutexLock lock(&mutex_);
        if (queue_.size() == kLimit) {
          queue_.pop_front();
          ++lost_;
        }
        queue_.push_back(event);
      }
      wake_();
    }

    const std::function<void()> wake_;
    absl::Mutex mutex_;
    std::deque<Event> queue_ ABSL_GUARDED_BY(mutex_);
    size_t lost_ ABSL_GUARDED_BY(mutex_) = 0;
  };

  // The subscription ends when the caller drops it.
  std::shared_ptr<Subscription> Subscribe(std::function<void()> wake) {
    auto subscription = std::make_shared<Subscription>(std::move(wake));
    absl::MutexLock lock(&mutex_);
    subscribers_.push_back(subscription);
    return subscription;
  }

  void Publish(const Event& event) {
    absl::MutexLock lock(&mutex_);
    auto dead = [&event](std::weak_ptr<Subscription>& subscriber) {
      std::shared_ptr<Subscription> alive = subscriber.lock();
      if (alive != nullptr) alive->Put(event);
      return alive == nullptr;
    };
    std::erase_if(subscribers_, dead);
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::weak_ptr<Subscription>> subscribers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_EVENTS_H_
