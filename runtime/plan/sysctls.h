// Kernel parameters that belong to a namespace of the container.
//
// Thread safety: pure function.

#ifndef GANTRY_RUNTIME_PLAN_SYSCTLS_H_
#define GANTRY_RUNTIME_PLAN_SYSCTLS_H_

#include "absl/status/status.h"
#include "proto/plan.pb.h"
#include "proto/spec.pb.h"

namespace gantry::plan {

// Sets init.sysctls (path below /proc/sys -> value): those of network and IPC
// namespaces. INVALID_ARGUMENT for a parameter of the whole host, for one whose
// namespace is the host's here, for keys or values with characters that have
// no place there, and for a key in two spellings.
absl::Status PlanSysctls(const spec::ContainerSpec& spec,
                         const NamespacePlan& namespaces, InitPlan& init);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_SYSCTLS_H_
