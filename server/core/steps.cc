#include "server/core/steps.h"

#include <utility>

namespace gantry::core {

Steps::Steps(const std::vector<StepObserver*>& observers, const Clock& clock)
    : observers_(observers), clock_(clock) {
  absl::MutexLock lock(&mutex_);
  call_.begun_at = clock_.BootNanos();
}

int Steps::Begin(absl::string_view name, int parent) {
  Step step{std::string(name), clock_.BootNanos(), 0, parent};
  absl::MutexLock lock(&mutex_);
  call_.steps.push_back(std::move(step));
  return static_cast<int>(call_.steps.size()) - 1;
}

void Steps::End(int place) {
  const int64_t now = clock_.BootNanos();
  absl::MutexLock lock(&mutex_);
  call_.steps[place].ended_at = now;
}

void Steps::Add(Step step) {
  absl::MutexLock lock(&mutex_);
  call_.steps.push_back(std::move(step));
}

void Steps::EndCall(absl::StatusCode code) {
  const int64_t now = clock_.BootNanos();
  absl::MutexLock lock(&mutex_);
  call_.code = code;
  call_.ended_at = now;
  for (Step& step : call_.steps) {
    if (step.ended_at == 0) step.ended_at = now;
  }
}

void Steps::Tell(std::string verb, std::string object) {
  WatchedCall call;
  {
    absl::MutexLock lock(&mutex_);
    call = std::move(call_);
  }
  call.verb = std::move(verb);
  call.object = std::move(object);
  for (StepObserver* observer : observers_) observer->OnCallEnded(call);
}

void StepSpan::Enter(absl::string_view name) {
  End();
  place_ = scope_.steps->Begin(name, scope_.parent);
}

void StepSpan::Leave() {
  scope_.steps->End(place_);
  place_ = -1;
}

void AddShimSteps(const shim::Started& started, const Clock& clock,
                  StepScope scope) {
  if (!scope.is_watched()) return;
  const int64_t now = clock.BootNanos();
  for (int i = 0; i < started.steps_size(); ++i) {
    const shim::Step& step = started.steps(i);
    const int64_t end =
        i + 1 < started.steps_size() ? started.steps(i + 1).begun_at() : now;
    scope.steps->Add({step.name(), step.begun_at(), end, scope.parent});
  }
}

std::unique_ptr<Steps> WatchCall(const std::vector<StepObserver*>& observers,
                                 const Clock& clock) {
  if (observers.empty()) return nullptr;
  return std::make_unique<Steps>(observers, clock);
}

}  // namespace gantry::core
