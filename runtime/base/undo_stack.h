// Undo steps of a multi-step create, run newest first unless committed.
//
//   UndoStack undo;
//   RETURN_IF_ERROR(MakeCgroup(...));
//   undo.Push("remove cgroup", [=] { return RemoveCgroup(...); });
//   ...
//   undo.Commit();
//
// A step that fails does not stop the older ones. Callers that must know
// whether something stayed behind (and so must keep the object's record) call
// Run() themselves; the destructor runs what is left and drops the answer.
// Thread safety: none. Blocks as long as its steps do.

#ifndef GANTRY_RUNTIME_BASE_UNDO_STACK_H_
#define GANTRY_RUNTIME_BASE_UNDO_STACK_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "runtime/base/status.h"

namespace gantry {

class UndoStack {
 public:
  UndoStack() = default;
  UndoStack(UndoStack&&) = default;
  UndoStack& operator=(UndoStack&&) = delete;
  ~UndoStack() { Run().IgnoreError(); }

  // `what` names the step in the error if it fails.
  void Push(std::string what, std::function<absl::Status()> step) {
    steps_.emplace_back(std::move(what), std::move(step));
  }

  // Takes over the steps of `other`, as the newest.
  void Append(UndoStack other) {
    for (auto& step : other.steps_) steps_.push_back(std::move(step));
    other.steps_.clear();
  }

  // Forgets all steps: the create succeeded.
  void Commit() { steps_.clear(); }

  // Runs all steps, newest first, and forgets them. The first failure is
  // returned.
  absl::Status Run() {
    absl::Status first;
    while (!steps_.empty()) {
      auto [what, step] = std::move(steps_.back());
      steps_.pop_back();
      absl::Status status = Annotate(step(), what);
      if (first.ok()) first = std::move(status);
    }
    return first;
  }

 private:
  std::vector<std::pair<std::string, std::function<absl::Status()>>> steps_;
};

}  // namespace gantry

#endif  // GANTRY_RUNTIME_BASE_UNDO_STACK_H_
