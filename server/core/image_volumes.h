// Volumes that the image of a container names (VOLUME): directories of ours
// beside the writable layer, that take what the image has at their paths.
//
// Thread safety: any thread.

#ifndef GANTRY_SERVER_CORE_IMAGE_VOLUMES_H_
#define GANTRY_SERVER_CORE_IMAGE_VOLUMES_H_

#include "absl/status/status.h"
#include "proto/image_record.pb.h"
#include "proto/spec.pb.h"
#include "server/core/paths.h"

namespace gantry::core {

// Adds a mount for each volume of the image where the client mounts nothing of
// its own. The image is not trusted: paths are taken as the inside of the
// rootfs has them, and INVALID_ARGUMENT is the answer to more than 256. Pure.
absl::Status AddImageVolumes(const record::ImageConfigRecord& image,
                             const Paths& paths, spec::ContainerSpec& spec);

// Makes their directories, empty, whatever an attempt to start the container
// has left in them; init fills them. Blocks on the disk.
absl::Status MakeImageVolumes(const Paths& paths,
                              const spec::ContainerSpec& spec);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_IMAGE_VOLUMES_H_
