// Cgroup directories: made, listed and removed in one hierarchy.
//
// Paths are relative to the hierarchy's directory fd. Thread safety: reentrant.
// Blocks only for cgroupfs. Internal to runtime/cgroup.

#ifndef GANTRY_RUNTIME_CGROUP_DIRECTORY_H_
#define GANTRY_RUNTIME_CGROUP_DIRECTORY_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/undo_stack.h"
#include "runtime/cgroup/hierarchies.h"

namespace gantry::cgroup {

// Makes `path` and what is missing above it, ready for use: controllers enabled
// (v2), cpus and mems handed down (v1 cpuset). An undo step is pushed for each
// directory made.
absl::Status MakeCgroup(const Hierarchies& hierarchies, size_t index,
                        const std::string& path, UndoStack& undo);

// Names of the cgroups directly below `path`; none if it doesn't exist.
absl::StatusOr<std::vector<std::string>> ChildCgroups(int fd,
                                                      const std::string& path);

// Appends the processes of `path` and, if `recursive`, of all below. What
// doesn't exist (any more) has none.
absl::Status AppendProcesses(int fd, const std::string& path, bool recursive,
                             std::vector<pid_t>& pids);

// One attempt to remove `path` and all below it. The errno of the failure is in
// the status: EBUSY while processes are there. Missing is OK.
absl::Status RemoveCgroup(int fd, const std::string& path);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_DIRECTORY_H_
