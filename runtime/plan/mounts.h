// The mounts of a container: the defaults of every Linux container
// (runtime-spec config-linux.md, "Default Filesystems") and the client's.
//
// Thread safety: pure function.

#ifndef GANTRY_RUNTIME_PLAN_MOUNTS_H_
#define GANTRY_RUNTIME_PLAN_MOUNTS_H_

#include "absl/status/statusor.h"
#include "proto/plan.pb.h"
#include "proto/spec.pb.h"
#include "runtime/plan/host_facts.h"

namespace gantry::plan {

struct MountsResult {
  // The client put a mount of its own at /dev.
  bool own_dev = false;
};

// Adds the mount steps to `init`, parents before children. A client's mount
// replaces the default at its target; a volume that the image names does not.
// INVALID_ARGUMENT for a target "/", for a
// mount over /proc that is no procfs (CVE-2019-16884), for unknown options.
absl::StatusOr<MountsResult> PlanMounts(const spec::ContainerSpec& spec,
                                        const HostFacts& facts, InitPlan& init);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_MOUNTS_H_
