#include "server/core/events.h"

namespace gantry::core {
namespace {

// Those that somebody still holds; the others are forgotten.
template <typename T>
std::vector<std::shared_ptr<T>> Alive(std::vector<std::weak_ptr<T>>& all) {
  std::vector<std::shared_ptr<T>> alive;
  std::erase_if(all, [&alive](const std::weak_ptr<T>& one) {
    std::shared_ptr<T> held = one.lock();
    if (held != nullptr) alive.push_back(held);
    return held == nullptr;
  });
  return alive;
}

}  // namespace

EventPtr EventBus::Subscription::Take(State* state) {
  absl::MutexLock lock(&mutex_);
  *state = state_;
  if (queue_.empty()) return nullptr;
  EventPtr event = std::move(queue_.front());
  queue_.pop_front();
  return event;
}

void EventBus::Subscription::Put(const EventPtr& event) {
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kOpen) return;
    if (queue_.size() == kQueueLimit) {
      // A gap in the middle would go unnoticed.
      state_ = State::kOverrun;
      queue_.clear();
    } else {
      queue_.push_back(event);
    }
  }
  wake_();
}

void EventBus::Subscription::Close() {
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kOpen) return;
    state_ = State::kClosed;
  }
  wake_();
}

std::shared_ptr<EventBus::Subscription> EventBus::Subscribe(
    std::function<void()> wake) {
  auto subscription = std::make_shared<Subscription>(std::move(wake));
  absl::MutexLock lock(&mutex_);
  if (closed_) {
    absl::MutexLock state_lock(&subscription->mutex_);
    subscription->state_ = Subscription::State::kClosed;
  } else {
    subscribers_.push_back(subscription);
  }
  return subscription;
}

std::shared_ptr<const EventBus::Watcher> EventBus::Watch(Watcher watcher) {
  auto watch = std::make_shared<const Watcher>(std::move(watcher));
  absl::MutexLock lock(&mutex_);
  watchers_.push_back(watch);
  return watch;
}

void EventBus::Publish(Event event, absl::FunctionRef<void(Event&)> complete) {
  absl::MutexLock lock(&mutex_);
  for (const auto& watcher : Alive(watchers_)) (*watcher)(event);
  const auto subscribers = Alive(subscribers_);
  if (subscribers.empty()) return;
  complete(event);
  const auto shared = std::make_shared<const Event>(std::move(event));
  for (const auto& subscriber : subscribers) subscriber->Put(shared);
}

void EventBus::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  for (const auto& subscriber : Alive(subscribers_)) subscriber->Close();
  subscribers_.clear();
}

}  // namespace gantry::core
