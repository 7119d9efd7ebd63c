// Which namespaces a container makes, joins or shares with the host.
//
// Thread safety: pure function.

#ifndef GANTRY_RUNTIME_PLAN_NAMESPACES_H_
#define GANTRY_RUNTIME_PLAN_NAMESPACES_H_

#include "absl/status/statusor.h"
#include "proto/plan.pb.h"
#include "proto/spec.pb.h"

namespace gantry::plan {

// Modes that a namespace cannot have are INVALID_ARGUMENT.
absl::StatusOr<NamespacePlan> PlanNamespaces(const spec::ContainerSpec& spec);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_NAMESPACES_H_
