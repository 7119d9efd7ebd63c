// Steps that pulling and importing share: from a verified manifest and
// configuration to layers in the store and an image record.
//
// Thread safety: StoreLayer may run for different layers at once. Blocks.

#ifndef GANTRY_RUNTIME_IMAGE_ASSEMBLE_H_
#define GANTRY_RUNTIME_IMAGE_ASSEMBLE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/image_record.pb.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/content_store.h"
#include "runtime/image/digest.h"
#include "runtime/image/holds.h"
#include "runtime/image/layer_store.h"
#include "runtime/image/manifest.h"
#include "runtime/image/run_aside.h"
#include "runtime/image/unpacker.h"

namespace gantry::image {

// Bytes of one layer's blob read so far. Called on whatever thread reads.
using LayerProgress = std::function<void(int64_t bytes)>;

struct StoreLayerOptions {
  UnpackLimits limits;
  bool keep_blob = true;
  // Takes the blob, in place of a new one, if keep_blob. Borrowed; may be null.
  BlobWriter* writer = nullptr;
  LayerProgress progress;           // may be null
  std::function<bool()> cancelled;  // may be null
  // As UnpackOptions has them; may be null.
  RunAside run_aside;
  size_t chunks_ahead = 4;
  std::function<void()> abandon;
  // Called when all files of the layer are written; may be null.
  std::function<void()> written;
};

// The layer media types that can be unpacked; UNIMPLEMENTED for others.
absl::Status CheckLayerType(const Descriptor& layer);

// FAILED_PRECONDITION if manifest and configuration do not fit together.
absl::Status CheckLayerCount(const Manifest& manifest,
                             const ImageConfig& config);

// Reads the blob once: hashes it, keeps a copy in `content` if wanted, inflates
// and unpacks it; then checks size, blob digest and diffID, and only then
// publishes the layer. DATA_LOSS says which of them is wrong;
// RESOURCE_EXHAUSTED if it inflates to more than UnpackLimits allow. Without
// `blob` (a docker-archive), only the diffID is checked and nothing is kept.
absl::StatusOr<LayerInfo> StoreLayer(ByteSource* source,
                                     const std::optional<Descriptor>& blob,
                                     const Digest& diff_id,
                                     ContentStore* content, LayerStore* layers,
                                     const StoreLayerOptions& options);

// The record of an image whose layers are all in the store. `documents`: its
// manifests and indexes. Names, the manifest's digest and its size are the
// caller's to add; without a manifest the size stays 0.
record::ImageRecord MakeImageRecord(const Digest& id, const ImageConfig& config,
                                    const std::optional<Manifest>& manifest,
                                    const std::vector<Digest>& documents,
                                    const ContentStore& content);

// What a layer that AddImpliedDirectories made is, in place of a media type.
inline constexpr absl::string_view kDirectoriesLayer =
    "application/vnd.gantry.directories";

// Adds to an image whose layers are all in the store the layer that it needs
// on top (implied_directories.h), made and published if need be; mostly none.
// It has no blob. The hold keeps it until the image is written.
absl::StatusOr<HoldTable::Hold> AddImpliedDirectories(
    LayerStore* layers, record::ImageRecord* image);

record::ImageConfigRecord ToRecord(const ImageConfig& config);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_ASSEMBLE_H_
