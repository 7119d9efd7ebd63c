// Mounts of images' content: found in the store when a container is created,
// and its from then on.
//
// Thread safety: as the image store's. Blocks on the disk.

#ifndef GANTRY_SERVER_CORE_IMAGE_MOUNTS_H_
#define GANTRY_SERVER_CORE_IMAGE_MOUNTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/record.pb.h"
#include "runtime/image/image_store.h"

namespace gantry::core {

// Puts the layers of the images that the container's mounts name (by any
// reference, in image_ref) into its spec and among its layer_diff_ids. Keep the
// answer until the record is in the index: then LayersInUse knows them.
// NOT_FOUND names the mount whose image is not there.
absl::StatusOr<std::vector<image::ImageStore::Lowers>> ResolveImageMounts(
    image::ImageStore& images, const std::string& layers_dir,
    record::ContainerRecord& container);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_IMAGE_MOUNTS_H_
