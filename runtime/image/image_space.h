// What images take on the disk, each alone and together, and what would be free
// without some of them.
//
// Thread safety: pure functions over a thread-safe store; what changes
// meanwhile is counted or not. Blocks: one stat per blob.

#ifndef GANTRY_RUNTIME_IMAGE_IMAGE_SPACE_H_
#define GANTRY_RUNTIME_IMAGE_IMAGE_SPACE_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "proto/image_record.pb.h"
#include "runtime/image/image_store.h"

namespace gantry::image {

struct ImageSpace {
  record::ImageRecord image;
  // Blobs and unpacked layers that no other image has, and the others.
  int64_t own_bytes = 0;
  int64_t shared_bytes = 0;
};

std::vector<ImageSpace> SpaceOfImages(ImageStore& store);

// Bytes of all that would be garbage were the images with these ids not there,
// and of what is now. Layers that `in_use` (may be null) names stay.
int64_t SpaceWithout(ImageStore& store, const std::set<std::string>& ids,
                     const LayerInUse& in_use);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_IMAGE_SPACE_H_
