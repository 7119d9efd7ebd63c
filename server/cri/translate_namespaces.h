// With whom pods and containers share namespaces.
//
// Pure functions. CRI cannot tell an unset mode from POD, but it can tell that
// namespace_options is absent: then network and ipc are the pod's own, and each
// container has a PID namespace of its own, as Kubernetes' default is.

#ifndef GANTRY_SERVER_CRI_TRANSLATE_NAMESPACES_H_
#define GANTRY_SERVER_CRI_TRANSLATE_NAMESPACES_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/cri/v1/api.pb.h"
#include "proto/spec.pb.h"
#include "server/cri/host_abilities.h"

namespace gantry::cri {

// `field` is the path of the security context that may have the options.
// FAILED_PRECONDITION for a user namespace where the host has none to give.
absl::StatusOr<spec::Namespaces> PodNamespacesFromCri(
    const runtime::v1::LinuxSandboxSecurityContext& context,
    const HostAbilities& host, absl::string_view field);

// `pod` is what PodNamespacesFromCri gave for the container's pod;
// `pod_said` whether the pod had namespace_options.
absl::StatusOr<spec::Namespaces> ContainerNamespacesFromCri(
    const runtime::v1::LinuxContainerSecurityContext& context,
    const spec::Namespaces& pod, bool pod_said, absl::string_view field);

runtime::v1::NamespaceOption NamespacesToCri(
    const spec::Namespaces& namespaces);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_TRANSLATE_NAMESPACES_H_
