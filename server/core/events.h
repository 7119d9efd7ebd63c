// An event per change of state of a pod or a container, in order, for any
// number of subscribers, none of whom can hold up the server.
//
// Thread safety: all methods from any thread; Publish never waits for a
// subscriber. Memory is bounded: a subscriber that lets its queue fill up gets
// no more events and is told.

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
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "server/core/index.h"

namespace gantry::core {

struct Event {
  enum class Kind { kCreated, kStarted, kStopped, kDeleted };
  Kind kind = Kind::kCreated;
  std::string pod_id;
  // Empty: of the pod itself.
  std::string container_id;
  // ns since the epoch; of an event without subscribers unset.
  int64_t at = 0;
  // The pod and its containers, without its pause, as they were after the
  // change; of a pod that was deleted its last record. Null if it is not known.
  PodPtr pod;
  std::vector<ContainerPtr> containers;
};
using EventPtr = std::shared_ptr<const Event>;

class EventBus {
 public:
  // Events that a subscriber may be behind.
  static constexpr size_t kQueueLimit = 1024;

  class Subscription {
   public:
    enum class State {
      kOpen,
      // The queue was full once: nothing comes any more.
      kOverrun,
      // The bus was closed; nothing comes after what is queued.
      kClosed,
    };

    // `wake` is called, from any thread, when Take has something new to tell.
    // It must be quick, and may not call the bus.
    explicit Subscription(std::function<void()> wake)
        : wake_(std::move(wake)) {}

    // The oldest event that was not taken yet; null if there is none, and then
    // `state` tells whether one may still come.
    EventPtr Take(State* state);

   private:
    friend class EventBus;
    void Put(const EventPtr& event);
    void Close();

    const std::function<void()> wake_;
    absl::Mutex mutex_;
    std::deque<EventPtr> queue_ ABSL_GUARDED_BY(mutex_);
    State state_ ABSL_GUARDED_BY(mutex_) = State::kOpen;
  };

  // Called with every event, in order, by whoever publishes; it must be quick,
  // and may not call the bus. `pod` and `containers` may be unset.
  using Watcher = std::function<void(const Event&)>;

  // Both end when the caller drops what is returned. A closed bus gives a
  // closed subscription.
  std::shared_ptr<Subscription> Subscribe(std::function<void()> wake);
  std::shared_ptr<const Watcher> Watch(Watcher watcher);

  // `complete` is called if there are subscribers, before any later event is
  // published: what it looks up is then no older than the event and no newer
  // than the next one.
  void Publish(Event event, absl::FunctionRef<void(Event&)> complete);

  // Ends all subscriptions, those to come as well. Watchers see events on.
  void Close();

 private:
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::weak_ptr<Subscription>> subscribers_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<const Watcher>> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_EVENTS_H_
