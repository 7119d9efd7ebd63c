#include "server/work/executor.h"

#include <pthread.h>

#include <algorithm>

#include "absl/time/time.h"

namespace gantry::work {
namespace {

// How long a thread without work stays before it ends.
constexpr absl::Duration kIdleTime = absl::Seconds(10);

}  // namespace

Executor::Executor(std::string name, int max_threads)
    : name_(name.substr(0, 15)), max_threads_(max_threads) {}

Executor::~Executor() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void Executor::Post(absl::AnyInvocable<void()> work) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(work));
  JoinEnded();
  if (idle_ < queue_.size() && threads_.size() < max_threads_ && !stopping_) {
    threads_.emplace_back([this] { Work(); });
  }
}

void Executor::JoinEnded() {
  // A thread puts itself here as its last act under the mutex, so joining it
  // waits for its return only.
  for (std::thread::id id : ended_) {
    auto thread =
        std::find_if(threads_.begin(), threads_.end(),
                     [id](const std::thread& t) { return t.get_id() == id; });
    if (thread == threads_.end()) continue;
    thread->join();
    threads_.erase(thread);
  }
  ended_.clear();
}

void Executor::Work() {
  pthread_setname_np(pthread_self(), name_.c_str());
  absl::MutexLock lock(&mutex_);
  while (true) {
    ++idle_;
    bool woken = mutex_.AwaitWithTimeout(
        absl::Condition(this, &Executor::HasWorkOrStopping), kIdleTime);
    --idle_;
    if (!woken || queue_.empty()) {
      ended_.push_back(std::this_thread::get_id());
      return;
    }
    absl::AnyInvocable<void()> work = std::move(queue_.front());
    queue_.pop_front();
    mutex_.Unlock();
    work();
    work = nullptr;
    mutex_.Lock();
  }
}

}  // namespace gantry::work
