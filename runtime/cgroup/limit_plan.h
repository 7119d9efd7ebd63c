// Which limits go to which hierarchy: Resources as one plan for the machine.
//
// Thread safety: reentrant. ReadCurrentLimits blocks for cgroupfs; the rest is
// pure.

#ifndef GANTRY_RUNTIME_CGROUP_LIMIT_PLAN_H_
#define GANTRY_RUNTIME_CGROUP_LIMIT_PLAN_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/cgroup/current_limits.h"
#include "runtime/cgroup/file_write.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/cgroup/resources.h"

namespace gantry::cgroup {

struct HierarchyWrites {
  size_t hierarchy = 0;
  Writes writes;
};

// INVALID_ARGUMENT for a bad value; FAILED_PRECONDITION, naming the controller,
// if a limit is asked for that no mounted hierarchy can give.
absl::StatusOr<std::vector<HierarchyWrites>> PlanLimits(
    const Hierarchies& hierarchies, const Resources& resources,
    const CurrentLimits& now);

// Reads of the limits in force those that `resources` has to be reconciled
// with.
absl::StatusOr<CurrentLimits> ReadCurrentLimits(const Hierarchies& hierarchies,
                                                absl::string_view path,
                                                const Resources& resources);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_LIMIT_PLAN_H_
