// The container's view of its cgroups below /sys/fs/cgroup.
//
// Mounted inside the container's cgroup namespace, a hierarchy shows the
// container's own cgroup as its root (cgroup_namespaces(7)).
// Thread safety: changes the calling process's mount namespace.

#ifndef GANTRY_SHIM_INIT_CGROUP_MOUNTS_H_
#define GANTRY_SHIM_INIT_CGROUP_MOUNTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/plan.pb.h"

namespace gantry::init {

// Carries out a step of kind CGROUP: cgroup2 at the target, or a tmpfs with a
// directory for each hierarchy. What the kernel does not permit is left out
// (the directory stays empty) and named in `degraded`.
absl::Status MountCgroups(const plan::MountStep& step, int root,
                          std::vector<std::string>& degraded);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_CGROUP_MOUNTS_H_
