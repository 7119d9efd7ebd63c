// A child that sets itself up: cloned, placed in the container's cgroups and
// told to go.
//
// Ownership: Child owns its descriptors; the process is reaped by the caller
// once StartChild has succeeded. Thread safety: for a single-threaded process
// only (the child is a copy that runs ordinary code). Blocks only for the
// placement.

#ifndef GANTRY_SHIM_PROCESS_CHILD_H_
#define GANTRY_SHIM_PROCESS_CHILD_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/subgroup.h"

namespace gantry::shim {

struct Child {
  pid_t pid = -1;
  UniqueFd pidfd;
  // The shim's end of the sync pair (shim/init/sync.h), non-blocking.
  UniqueFd sync;
};

// `group`: a cgroup below the container's that the child is to be in; may be
// null. `namespaces`: CLONE_NEW* bits. `body` runs in the child with the
// child's end of the sync pair and does not return. On failure no process is
// left.
absl::StatusOr<Child> StartChild(const cgroup::Manager& cgroup,
                                 const cgroup::Subgroup* group,
                                 uint64_t namespaces,
                                 const std::function<void(int sync_fd)>& body);

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PROCESS_CHILD_H_
