#include "shim/process/exec_groups.h"

#include <signal.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::shim {

ExecGroups::~ExecGroups() {
  if (timer_.has_value()) loop_.CancelTimer(*timer_);
}

absl::StatusOr<ExecGroups::Group*> ExecGroups::Make() {
  Sweep();
  ASSIGN_OR_RETURN(cgroup::Subgroup made,
                   container_.MakeSubgroup(absl::StrCat("exec-", ++last_)));
  groups_.push_back({std::move(made)});
  return &groups_.back();
}

absl::Status ExecGroups::Signal(Group* group, int signal) {
  if (signal != SIGKILL) return group->cgroup.Signal(signal);
  group->killing = true;
  absl::StatusOr<bool> all = group->cgroup.KillOnce();
  if (all.ok() && *all) {
    group->killing = false;
  } else {
    Sweep();
  }
  return all.status();
}

void ExecGroups::Release(Group* group) {
  group->released = true;
  Sweep();
}

bool ExecGroups::Round(Group& group) {
  if (group.killing) {
    const absl::StatusOr<bool> all = group.cgroup.KillOnce();
    group.killing = all.ok() && !*all;
  }
  return group.killing;
}

void ExecGroups::Sweep() {
  bool again = false;
  for (auto group = groups_.begin(); group != groups_.end();) {
    if (Round(*group)) again = true;
    // Busy: daemons of the container's now. Looked at again with the next exec.
    if (group->released && !group->killing && group->cgroup.Remove().ok()) {
      group = groups_.erase(group);
    } else {
      ++group;
    }
  }
  if (!again || timer_.has_value()) return;
  timer_ = loop_.AddTimer(kPause, [this] {
    timer_.reset();
    Sweep();
  });
}

}  // namespace gantry::shim
