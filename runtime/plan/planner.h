// ContainerSpec to ContainerPlan: everything that needs a decision is settled
// here, so that the shim only carries out.
//
// Thread safety: pure but for the seccomp cache, which is thread-safe. Blocks
// only for DeviceLookup, to read a seccomp profile of the host and, the first
// time a profile is seen, some milliseconds to compile it.

#ifndef GANTRY_RUNTIME_PLAN_PLANNER_H_
#define GANTRY_RUNTIME_PLAN_PLANNER_H_

#include "absl/status/statusor.h"
#include "proto/plan.pb.h"
#include "proto/spec.pb.h"
#include "runtime/plan/host_facts.h"
#include "runtime/plan/seccomp_cache.h"

namespace gantry::plan {

// Score of the shim: it dies after the containers of the node, before the
// daemons that kept -999 for themselves (as containerd's shim).
inline constexpr int kShimOomScoreAdj = -998;

// INVALID_ARGUMENT names the field and value of `spec` that is wrong;
// FAILED_PRECONDITION a seccomp profile that is not there. What the host cannot
// give is left out and named in plan.init.degraded.
absl::StatusOr<ContainerPlan> BuildPlan(const spec::ContainerSpec& spec,
                                        const HostFacts& facts,
                                        SeccompCache& seccomp);

// Whether BuildPlan will find the container's seccomp profile and understand
// it, asked when the container is made: then its client can still be told.
absl::Status CheckSeccomp(const spec::ContainerSpec& spec,
                          const HostFacts& facts, SeccompCache& seccomp);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_PLANNER_H_
