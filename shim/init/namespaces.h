// Joining the pod's namespaces and making the container's own cgroup
// namespace.
//
// Thread safety: changes the calling process.

#ifndef GANTRY_SHIM_INIT_NAMESPACES_H_
#define GANTRY_SHIM_INIT_NAMESPACES_H_

#include "absl/status/status.h"
#include "proto/plan.pb.h"
#include "shim/init/init.h"

namespace gantry::init {

// FAILED_PRECONDITION if the plan wants to join one and no descriptor came. The
// user namespace is entered later (user_namespace.h).
absl::Status EnterNamespaces(const plan::NamespacePlan& plan,
                             const NamespaceFds& fds);

// A new session keyring, so that the host's keys are not the container's.
// Kernels and sandboxes without keyrings are no error.
void LeaveSessionKeyring();

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_NAMESPACES_H_
