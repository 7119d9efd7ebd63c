#include "server/work/executor.h"

#include <algorithm>

#include "absl/time/time.h"
#include "runtime/base/status.h"

namespace gantry::work {

Executor::Executor(std::string name, int max_threads, ExecutorOptions options)
    : name_(std::move(name)),
      max_threads_(max_threads),
      options_(std::move(options)) {}

Executor::~Executor() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    threads.swap(threads_);
    for (Idle* idle : idle_) idle->wake.Signal();
  }
  for (std::thread& thread : threads) thread.join();
}

absl::Status Executor::AddThread() {
  ASSIGN_OR_RETURN(std::thread thread,
                   options_.make_thread(name_, [this] { Work(); }));
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
  if (!idle_.empty()) {
    Idle* idle = idle_.back();
    idle_.pop_back();
    idle->called = true;
    idle->wake.Signal();
  } else if (threads_.size() < max_threads_ && !stopping_) {
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

void Executor::WorkOff() {
  while (!queue_.empty()) {
    absl::AnyInvocable<void()> work = std::move(queue_.front());
    queue_.pop_front();
    mutex_.Unlock();
    work();
    work = nullptr;
    mutex_.Lock();
  }
}

bool Executor::AwaitCall() {
  Idle idle;
  idle_.push_back(&idle);
  while (!idle.called && !stopping_) {
    if (Living() == 1) {
      idle.wake.Wait(&mutex_);
    } else if (idle.wake.WaitWithTimeout(&mutex_, options_.idle_time) &&
               Living() > 1) {
      break;
    }
  }
  if (!idle.called) std::erase(idle_, &idle);
  return idle.called || stopping_;
}

void Executor::Work() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    WorkOff();
    if (stopping_) return;
    if (AwaitCall()) continue;
    if (Living() == 2 && options_.after_burst != nullptr) {
      mutex_.Unlock();
      options_.after_burst();
      mutex_.Lock();
      // Meanwhile work may have come, or the other one ended.
      if (!queue_.empty() || stopping_ || Living() == 1) continue;
    }
    // Those before it give their stacks back only when they are joined, and the
    // next Post may be long in coming.
    JoinEnded();
    ended_.push_back(std::this_thread::get_id());
    return;
  }
}

}  // namespace gantry::work
