// Where the time of a call goes: its steps, each with its beginning and its
// end.
//
// A call that somebody watches has one Steps, from its arrival to its answer.
// One that nobody watches has none, and its scopes and spans are empty: all
// they do is to look at a null pointer.
//
// Ownership: who answers the call owns its Steps, which outlive every scope and
// span in it. Thread safety: Steps and observers: all methods from any thread;
// a span: one at a time. Never blocks. Units: ns as Clock::BootNanos counts,
// the same for the server and its shims.

#ifndef GANTRY_SERVER_CORE_STEPS_H_
#define GANTRY_SERVER_CORE_STEPS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "proto/shim.pb.h"
#include "runtime/base/clock.h"

namespace gantry::core {

// Steps may overlap: some are done side by side.
struct Step {
  std::string name;
  int64_t begun_at = 0;
  int64_t ended_at = 0;
  // The place in the list of the step that this one is a part of; -1: none.
  int parent = -1;
};

struct WatchedCall {
  // "StartContainer".
  std::string verb;
  // The id or name it is about; may be empty.
  std::string object;
  absl::StatusCode code = absl::StatusCode::kOk;
  int64_t begun_at = 0;
  int64_t ended_at = 0;
  // A step comes after the one that it is a part of.
  std::vector<Step> steps;
};

class StepObserver {
 public:
  virtual ~StepObserver() = default;
  // Once per call, also for one that failed. Must not block: it runs on the
  // threads of use cases.
  virtual void OnCallEnded(const WatchedCall& call) = 0;
};

class Steps {
 public:
  // The call begins now. Both must outlive this.
  Steps(const std::vector<StepObserver*>& observers, const Clock& clock);
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;

  // Its place in the list.
  int Begin(absl::string_view name, int parent);
  void End(int place);
  void Add(Step step);

  // The call ends now, and with it what has not ended yet. Once, when there is
  // no span any more.
  void EndCall(absl::StatusCode code);
  // Tells the observers, after that: the client need not wait for them.
  void Tell(std::string verb, std::string object);

 private:
  const std::vector<StepObserver*>& observers_;
  const Clock& clock_;
  absl::Mutex mutex_;
  WatchedCall call_ ABSL_GUARDED_BY(mutex_);
};

// Where steps are noted: in a call, or in a step of it. Empty: nowhere.
struct StepScope {
  Steps* steps = nullptr;
  int parent = -1;

  bool is_watched() const { return steps != nullptr; }
};

// A step under way: ends with this object, or when the next one begins.
class StepSpan {
 public:
  StepSpan(StepScope scope, absl::string_view name) : scope_(scope) {
    Next(name);
  }
  StepSpan(const StepSpan&) = delete;
  StepSpan& operator=(const StepSpan&) = delete;
  ~StepSpan() { End(); }

  // Ends the step and begins another one beside it.
  void Next(absl::string_view name) {
    if (scope_.is_watched()) Enter(name);
  }
  void End() {
    if (place_ >= 0) Leave();
  }
  // For the parts of this step.
  StepScope inside() const { return {scope_.steps, place_}; }

 private:
  void Enter(absl::string_view name);
  void Leave();

  const StepScope scope_;
  int place_ = -1;
};

// What a shim says of its steps; the last one ends now.
void AddShimSteps(const shim::Started& started, const Clock& clock,
                  StepScope scope);

// The steps of a call that begins now; null if there are no observers. Both
// must outlive them.
std::unique_ptr<Steps> WatchCall(const std::vector<StepObserver*>& observers,
                                 const Clock& clock);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_STEPS_H_
