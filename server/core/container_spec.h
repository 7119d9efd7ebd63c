// What a container shall be, put together from the request, the image and the
// pod.
//
// Pure functions: nothing is made, nothing of the host is asked.

#ifndef GANTRY_SERVER_CORE_CONTAINER_SPEC_H_
#define GANTRY_SERVER_CORE_CONTAINER_SPEC_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/image_record.pb.h"
#include "proto/record.pb.h"
#include "proto/spec.pb.h"
#include "server/core/paths.h"
#include "server/core/requests.h"

namespace gantry::core {

// The argument list: the request's command replaces the image's entrypoint and
// command, its args only the image's command (Kubernetes' rule).
// INVALID_ARGUMENT if there is nothing to run.
absl::StatusOr<std::vector<std::string>> ProcessArgs(
    const ContainerRequest& request, const record::ImageConfigRecord& image);

// The image's environment, then the request's; a later NAME= replaces an
// earlier one. PATH, HOSTNAME and, with a terminal, TERM are added if absent.
std::vector<std::string> ProcessEnv(const ContainerRequest& request,
                                    const record::ImageConfigRecord& image,
                                    const std::string& hostname);

// The whole spec but for the rootfs, which is prepared on disk.
absl::StatusOr<spec::ContainerSpec> CompleteSpec(
    const ContainerRequest& request, const record::ImageConfigRecord& image,
    const record::PodRecord& pod, const std::string& hostname,
    const std::string& id, const Paths& paths);

// The spec of the container that holds the PID namespace of `pod`.
spec::ContainerSpec PauseSpec(const record::PodRecord& pod,
                              const std::string& id);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_CONTAINER_SPEC_H_
