// Device nodes, symlinks and device access rules of a container's /dev
// (runtime-spec config-linux.md, "Default Devices", "Default symbolic links").
//
// Thread safety: pure functions but for DeviceLookup.

#ifndef GANTRY_RUNTIME_PLAN_DEVICES_H_
#define GANTRY_RUNTIME_PLAN_DEVICES_H_

#include "absl/status/status.h"
#include "proto/plan.pb.h"
#include "proto/spec.pb.h"
#include "runtime/plan/host_facts.h"

namespace gantry::plan {

// Sets the devices and symlinks of `init` and the device rules of `cgroup`.
// The rules are complete: what they don't allow is denied. A client's device
// replaces the default one at its path; a directory stands for the devices
// below it. With a /dev of the client's own
// (`own_dev`) no node or symlink is made, for it would be made on the host.
absl::Status PlanDevices(const spec::ContainerSpec& spec,
                         const HostFacts& facts, bool own_dev, InitPlan& init,
                         CgroupPlan& cgroup);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_DEVICES_H_
