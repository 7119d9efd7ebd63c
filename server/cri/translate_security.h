// A container's identity and security: capabilities, seccomp, AppArmor,
// SELinux, user and groups.
//
// Pure functions. `field` is the path of the security context in the request.

#ifndef GANTRY_SERVER_CRI_TRANSLATE_SECURITY_H_
#define GANTRY_SERVER_CRI_TRANSLATE_SECURITY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/cri/v1/api.pb.h"
#include "proto/spec.pb.h"
#include "server/cri/host_abilities.h"

namespace gantry::cri {

// Sets the capability fields of `to`, with the names of the kernel, sorted.
// "ALL" counts first, then what is added, then what is dropped by name.
absl::Status SetCapabilities(const runtime::v1::Capability& capabilities,
                             absl::string_view field, spec::Security& to);

// `context` without the user.
absl::StatusOr<spec::Security> SecurityFromCri(
    const runtime::v1::LinuxContainerSecurityContext& context,
    const HostAbilities& host, absl::string_view field);

// Empty: as the image says.
absl::StatusOr<spec::User> UserFromCri(
    const runtime::v1::LinuxContainerSecurityContext& context,
    absl::string_view field);

// FAILED_PRECONDITION if something is asked for and the host has no SELinux.
absl::StatusOr<spec::SelinuxOptions> SelinuxFromCri(
    const runtime::v1::SELinuxOption& options, const HostAbilities& host,
    absl::string_view field);

// Refuses what pods cannot have on this host: AppArmor profiles that it does
// not have. Users of a pod are checked, and matter
// to nobody, for no process of a pod runs a program of an image.
absl::Status CheckPodSecurity(
    const runtime::v1::LinuxSandboxSecurityContext& context,
    const HostAbilities& host, absl::string_view field);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_TRANSLATE_SECURITY_H_
