// What limits come to: those that an update changes, and those of a pod.
//
// Pure functions.

#ifndef GANTRY_SERVER_CORE_MERGE_RESOURCES_H_
#define GANTRY_SERVER_CORE_MERGE_RESOURCES_H_

#include "proto/spec.pb.h"

namespace gantry::core {

// Overwrites in `target` what `update` sets. A memory limit changed alone
// keeps the allowance of swap, as the cgroup does.
void MergeResources(const spec::Resources& update, spec::Resources& target);

// The limits of a pod's cgroup: what its containers have together, and what the
// pod itself costs. What `resources` leaves unset is not limited, whatever the
// overhead says; quotas are added as shares of time, in the period of
// `resources`. CPU and memory node lists and cgroup v2 files are those of
// `resources`: they cannot be added.
spec::Resources PodLimits(const spec::Resources& overhead,
                          const spec::Resources& resources);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_MERGE_RESOURCES_H_
