// Mounts and devices of a container.
//
// Pure functions. What is at the paths is looked at when the container is made.

#ifndef GANTRY_SERVER_CRI_TRANSLATE_MOUNTS_H_
#define GANTRY_SERVER_CRI_TRANSLATE_MOUNTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/cri/v1/api.pb.h"
#include "proto/spec.pb.h"
#include "server/cri/host_abilities.h"

namespace gantry::cri {

// Both add to `spec`. Errors name "config.mounts[i]..." and
// "config.devices[i]...".
absl::Status SetMounts(const runtime::v1::ContainerConfig& config,
                       const HostAbilities& host, spec::ContainerSpec& spec);
absl::Status SetDevices(const runtime::v1::ContainerConfig& config,
                        spec::ContainerSpec& spec);

// Qualified names of CDI devices; what they are is looked up later. Nothing is
// taken from annotations.
absl::StatusOr<std::vector<std::string>> CdiDevicesFromCri(
    const runtime::v1::ContainerConfig& config);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_TRANSLATE_MOUNTS_H_
