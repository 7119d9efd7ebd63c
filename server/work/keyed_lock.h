// Work is serial per key and parallel between keys: a lock per pod id.
//
//   KeyedLock::Guard guard = co_await locks.Acquire(pod_id);
//
// First come, first served. A guard may be held over co_await and released on
// another thread. Waiting holds no thread.
// Thread safety: all methods from any thread. Must outlive its guards.

#ifndef GANTRY_SERVER_WORK_KEYED_LOCK_H_
#define GANTRY_SERVER_WORK_KEYED_LOCK_H_

#include <coroutine>
#include <deque>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "server/work/executor.h"

namespace gantry::work {

class KeyedLock {
 public:
  explicit KeyedLock(Executor& executor) : executor_(executor) {}

  class Guard {
   public:
    Guard() = default;
    Guard(KeyedLock* lock, std::string key)
        : lock_(lock), key_(std::move(key)) {}
    Guard(Guard&& other) noexcept
        : lock_(std::exchange(other.lock_, nullptr)),
          key_(std::move(other.key_)) {}
    Guard& operator=(Guard&& other) noexcept {
      Release();
      lock_ = std::exchange(other.lock_, nullptr);
      key_ = std::move(other.key_);
      return *this;
    }
    ~Guard() { Release(); }
    void Release() {
      if (lock_ != nullptr) std::exchange(lock_, nullptr)->Release(key_);
    }

   private:
    KeyedLock* lock_ = nullptr;
    std::string key_;
  };

  auto Acquire(std::string key) {
    struct Awaiter {
      KeyedLock& lock;
      std::string key;
      bool await_ready() const noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> waiter) {
        return !lock.TakeOrQueue(key, waiter);
      }
      Guard await_resume() { return Guard(&lock, std::move(key)); }
    };
    return Awaiter{*this, std::move(key)};
  }

 private:
  // True: the key was free and is now held.
  bool TakeOrQueue(const std::string& key, std::coroutine_handle<> waiter);
  void Release(const std::string& key);

  Executor& executor_;
  absl::Mutex mutex_;
  // A key is here while it is held; the queue holds who waits for it.
  absl::flat_hash_map<std::string, std::deque<std::coroutine_handle<>>> held_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::work

#endif  // GANTRY_SERVER_WORK_KEYED_LOCK_H_
