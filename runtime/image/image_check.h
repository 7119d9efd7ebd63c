// What a start looks at of each image: whether what its record names is there,
// without reading it all (fsck.h does that).
//
// Thread safety: pure functions over thread-safe stores. Blocks on the disk:
// one stat per blob, and a read of the small ones.

#ifndef GANTRY_RUNTIME_IMAGE_IMAGE_CHECK_H_
#define GANTRY_RUNTIME_IMAGE_IMAGE_CHECK_H_

#include <vector>

#include "absl/status/status.h"
#include "proto/image_record.pb.h"
#include "runtime/image/content_store.h"
#include "runtime/image/layer_store.h"

namespace gantry::image {

// DATA_LOSS unless every digest in the record is one.
absl::Status CheckNames(const record::ImageRecord& image);

// DATA_LOSS names the first layer that is missing.
absl::Status CheckLayers(const record::ImageRecord& image,
                         const LayerStore& layers);

// Blobs of another size than they had are removed, and so are small ones of
// another content: then they are missing, and the next pull brings them. Tells
// of each, and of missing ones, in `problems`. For a start: asks no holds.
absl::Status RemoveDamagedBlobs(const record::ImageRecord& image,
                                ContentStore* content,
                                std::vector<absl::Status>* problems);

// Writes the sizes of its blobs into the record; DATA_LOSS if one is missing.
absl::Status NoteBlobSizes(const ContentStore& content,
                           record::ImageRecord* image);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_IMAGE_CHECK_H_
