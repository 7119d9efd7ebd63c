#include "server/work/executor.h"

#include <algorithm>

#include "absl/time/time.h"
#include "runtime/base/status.h"

namespace gantry::work {

Executor::Executor(std::string name, int max_threads, ThreadMaker make_thread,
                   absl::Duration idle_time)
    : name_(std::move(name)),
      max_threads_(max_threads),
      idle_time_(idle_time),
      make_thread_(std::move(make_thread)) {}

Executor::~Executor() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

absl::Status Executor::AddThread() {
  ASSIGN_OR_RETURN(std::thread thread, make_thread_(name_, [this] { Work(); }));
  threads_.push_back(std::move(thread));
  return absl::OkStatus();
}

absl::Status Executor::Begin() {
  absl::MutexLock lock(&mutex_);
  return threads_.empty() ? AddThread() : absl::OkStatus();
}

void Executor::Post(absl::AnyInvocable<void()> work) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(work));
  JoinEnded();
  if (idle_ < queue_.size() && threads_.size() < max_threads_ && !stopping_) {
    // Those that are there do it, later; the next Post tries again.
    AddThread().IgnoreError();
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
  absl::MutexLock lock(&mutex_);
  while (true) {
    ++idle_;
    const bool woken = mutex_.AwaitWithTimeout(
        absl::Condition(this, &Executor::HasWorkOrStopping),
        IsLast() ? absl::InfiniteDuration() : idle_time_);
    --idle_;
    if (!woken && IsLast()) continue;
    if (queue_.empty()) {
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
