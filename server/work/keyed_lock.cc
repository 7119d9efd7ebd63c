#include "server/work/keyed_lock.h"

namespace gantry::work {

bool KeyedLock::TakeOrQueue(const std::string& key,
                            std::coroutine_handle<> waiter) {
  absl::MutexLock lock(&mutex_);
  auto [entry, free] = held_.try_emplace(key);
  if (!free) entry->second.push_back(waiter);
  return free;
}

void KeyedLock::Release(const std::string& key) {
  std::coroutine_handle<> next;
  {
    absl::MutexLock lock(&mutex_);
    auto entry = held_.find(key);
    if (entry->second.empty()) {
      held_.erase(entry);
      return;
    }
    next = entry->second.front();
    entry->second.pop_front();
  }
  // The key stays held: it passes straight to the next in line.
  executor_.Post([next] { next.resume(); });
}

}  // namespace gantry::work
