// The host's end of a container's mounts, looked at when it is created, so that
// the client hears of what cannot be before anything is started.
//
// Thread safety: any thread. Blocks as the host's file systems do.

#ifndef GANTRY_SERVER_CORE_HOST_PATHS_H_
#define GANTRY_SERVER_CORE_HOST_PATHS_H_

#include "absl/status/status.h"
#include "proto/spec.pb.h"

namespace gantry::core {

// Makes host paths that are missing, as directories: Kubernetes expects that.
// Symbolic links are followed; one that leads nowhere is an error. Errors name
// the mount by its container path. FAILED_PRECONDITION for propagation that the
// mount which a host path lies in does not take part in (mount_namespaces(7)).
absl::Status PrepareHostPaths(const spec::ContainerSpec& spec);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_HOST_PATHS_H_
