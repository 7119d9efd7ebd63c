// A cgroup below another one, in one hierarchy only: tells some processes of a
// container from the rest, and them from nobody else's, whatever they do (fork,
// setsid, lose their parents). It limits nothing and counts nothing: no
// controller is enabled for it.
//
// Lives in the hierarchy that answers "which processes" (Hierarchies::primary):
// cgroup2 where it is mounted, else the v1 freezer, else any.
// Blocking: system calls on cgroupfs only. Thread safety: as Manager. What does
// not exist (any more) is OK, and has no processes.

#ifndef GANTRY_RUNTIME_CGROUP_SUBGROUP_H_
#define GANTRY_RUNTIME_CGROUP_SUBGROUP_H_

#include <sys/types.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/cgroup/self_placement.h"

namespace gantry::cgroup {

class Subgroup {
 public:
  // Makes `name` below the cgroup `parent` (normalised), which must be there.
  static absl::StatusOr<Subgroup> Create(const Hierarchies& hierarchies,
                                         absl::string_view parent,
                                         absl::string_view name);

  // Whether a process can be cloned into it (CloneTarget); else it moves itself
  // by what AddTo adds.
  bool in_unified() const {
    return hierarchies_->unified() == hierarchies_->primary();
  }
  absl::StatusOr<UniqueFd> CloneTarget() const;
  absl::Status AddTo(SelfPlacement& placement) const;
  // Moves another process here.
  absl::Status AddProcess(pid_t pid) const;

  // Sends SIGKILL to everybody in it and below. False: somebody may have been
  // born meanwhile, so it is to be called again; never from Linux 5.14 on with
  // cgroup2. Does not wait.
  absl::StatusOr<bool> KillOnce() const;

  // Sends `signal` to everybody who is there now.
  absl::Status Signal(int signal) const;

  // One attempt; an error with errno EBUSY while processes are there.
  absl::Status Remove() const;

 private:
  Subgroup(const Hierarchies& hierarchies, std::string path)
      : hierarchies_(&hierarchies), path_(std::move(path)) {}

  int fd() const { return hierarchies_->fd(hierarchies_->primary()); }

  const Hierarchies* hierarchies_;
  std::string path_;
};

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_SUBGROUP_H_
