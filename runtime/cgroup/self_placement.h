// A process that moves itself into a cgroup's v1 hierarchies.
//
// Moving another process (its pid into cgroup.procs) takes a lock that every
// fork and exit of the machine takes as well; with RCU before it, the kernel
// waits for all processors, in each hierarchy anew: ten milliseconds and more
// for nine. A thread that moves itself alone ("0" into `tasks`) needs none of
// that (Linux 5.5 on, cgroup_procs_write_start of kernel/cgroup/cgroup.c; older
// ones move it as slowly as any other).
//
// Ownership: of the descriptors, close-on-exec. They carry the right of who
// opened them, so a child that has lost it by its user namespace can use them.
// Thread safety: as the descriptors'.

#ifndef GANTRY_RUNTIME_CGROUP_SELF_PLACEMENT_H_
#define GANTRY_RUNTIME_CGROUP_SELF_PLACEMENT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/hierarchies.h"

namespace gantry::cgroup {

class SelfPlacement {
 public:
  // Into `path` (normalised) of each v1 hierarchy, the primary one first; on
  // cgroup2 alone there is nothing to do, for a process is born where it
  // belongs (CLONE_INTO_CGROUP).
  static absl::StatusOr<SelfPlacement> Open(const Hierarchies& hierarchies,
                                            absl::string_view path);

  // Afterwards into `path` of this v1 hierarchy as well.
  absl::Status Add(const Hierarchies& hierarchies, size_t hierarchy,
                   absl::string_view path);

  bool empty() const { return places_.empty(); }

  // Moves the calling thread, which must be its process's only one.
  absl::Status Join() const;

 private:
  struct Place {
    UniqueFd tasks;
    std::string mount_path;
  };
  std::vector<Place> places_;
};

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_SELF_PLACEMENT_H_
