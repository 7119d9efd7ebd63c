#include "server/work/loop_thread.h"

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "server/work/thread.h"

namespace gantry::work {

struct Timeout::State {
  explicit State(LoopThread& l, absl::AnyInvocable<void()> f)
      : loop(l), fire(std::move(f)) {}

  // What it was to do; nothing if it has fired or was cancelled.
  absl::AnyInvocable<void()> Take() {
    absl::MutexLock lock(&mutex);
    return std::exchange(fire, nullptr);
  }

  LoopThread& loop;
  absl::Mutex mutex;
  absl::AnyInvocable<void()> fire ABSL_GUARDED_BY(mutex);
  // Only on the loop's thread.
  std::optional<sys::EpollLoop::TimerId> timer;
};

void Timeout::Cancel() {
  std::shared_ptr<State> state = std::move(state_);
  if (state == nullptr || state->Take() == nullptr) return;
  LoopThread& loop = state->loop;
  loop.RunOnLoop([state = std::move(state)] {
    if (state->timer.has_value()) {
      state->loop.loop().CancelTimer(*state->timer);
    }
  });
}

absl::StatusOr<std::unique_ptr<LoopThread>> LoopThread::Start(
    std::string name, Executor& executor) {
  ASSIGN_OR_RETURN(std::unique_ptr<sys::EpollLoop> loop,
                   sys::EpollLoop::Create(), "make the loop of " << name);
  std::unique_ptr<LoopThread> thread(new LoopThread(std::move(loop), executor));
  ASSIGN_OR_RETURN(thread->thread_,
                   StartThread(name, [loop = thread->loop_.get()] {
                     absl::Status ended = loop->Run();
                     // Without this thread nothing is heard of any container
                     // any more.
                     CHECK(ended.ok()) << ended;
                   }));
  return thread;
}

LoopThread::LoopThread(std::unique_ptr<sys::EpollLoop> loop, Executor& executor)
    : loop_(std::move(loop)), executor_(executor) {}

LoopThread::~LoopThread() {
  loop_->Stop();
  if (thread_.joinable()) thread_.join();
}

void LoopThread::Post(absl::AnyInvocable<void()> work) {
  loop_->Post(std::move(work));
}

void LoopThread::RunOnLoop(absl::AnyInvocable<void()> work) {
  if (OnLoopThread()) {
    work();
  } else {
    Post(std::move(work));
  }
}

Timeout LoopThread::SetTimeout(absl::Duration after,
                               absl::AnyInvocable<void()> fire) {
  auto state = std::make_shared<Timeout::State>(*this, std::move(fire));
  RunOnLoop([this, state, after] {
    state->timer = loop_->AddTimer(absl::ToChronoNanoseconds(after), [state] {
      state->timer.reset();
      if (absl::AnyInvocable<void()> fire = state->Take()) fire();
    });
  });
  return Timeout(std::move(state));
}

bool LoopThread::OnLoopThread() const {
  return std::this_thread::get_id() == thread_.get_id();
}

}  // namespace gantry::work
