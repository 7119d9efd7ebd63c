// Containers: CRI's messages and core's terms.
//
// Pure functions. Errors: INVALID_ARGUMENT with the field's path,
// UNIMPLEMENTED or FAILED_PRECONDITION for what this build or host cannot do.

#ifndef GANTRY_SERVER_CRI_TRANSLATE_CONTAINER_H_
#define GANTRY_SERVER_CRI_TRANSLATE_CONTAINER_H_

#include <string>

#include "absl/status/statusor.h"
#include "proto/cri/v1/api.pb.h"
#include "proto/record.pb.h"
#include "server/core/requests.h"
#include "server/cri/host_abilities.h"

namespace gantry::cri {

// `pod` is the configuration that the pod was run with, whatever the request
// repeats of it. A target_id is the client's and yet to be looked up.
absl::StatusOr<core::ContainerRequest> ContainerRequestFromCri(
    const runtime::v1::CreateContainerRequest& request,
    const runtime::v1::PodSandboxConfig& pod, const HostAbilities& host);

runtime::v1::ContainerState ContainerStateToCri(
    const record::ContainerRecord& container);

// For lists: from the record alone. `image_ref`: the name with digest of the
// image in use, else its id.
runtime::v1::Container ContainerToCri(const record::ContainerRecord& container,
                                      const std::string& image_ref);

// `config` is the one the container was created with.
runtime::v1::ContainerStatus ContainerStatusToCri(
    const record::ContainerRecord& container,
    const runtime::v1::ContainerConfig& config, const std::string& image_ref);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_TRANSLATE_CONTAINER_H_
