// Resource limits by name (getrlimit(2)).
//
// Thread safety: pure function.

#ifndef GANTRY_RUNTIME_PLAN_RLIMITS_H_
#define GANTRY_RUNTIME_PLAN_RLIMITS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "proto/plan.pb.h"
#include "proto/spec.pb.h"

namespace gantry::plan {

// INVALID_ARGUMENT for a name that is not known or comes twice and for a soft
// limit above the hard one. Whether the kernel lets a hard limit be raised
// shows only in the container.
absl::StatusOr<std::vector<RlimitPlan>> PlanRlimits(
    const spec::Process& process);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_RLIMITS_H_
