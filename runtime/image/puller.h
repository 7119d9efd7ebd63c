// Pulls an image in three steps, so that a caller with threads can fetch its
// layers side by side:
//
//   ASSIGN_OR_RETURN(auto pull, puller.Resolve(ref));      // manifest, config
//   for (size_t i = 0; i < pull->layers().size(); ++i)     // in any order
//     RETURN_IF_ERROR(pull->FetchLayer(i, progress));
//   ASSIGN_OR_RETURN(record::ImageRecord image, pull->Commit());
//
// Everything fetched is held against garbage collection until the Pull is
// gone; a Pull dropped before Commit leaves no image, and its layers and blobs
// go with the next collection.
// Thread safety: FetchLayer may run at once for different layers. Blocks; long.

#ifndef GANTRY_RUNTIME_IMAGE_PULLER_H_
#define GANTRY_RUNTIME_IMAGE_PULLER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/image_record.pb.h"
#include "runtime/image/assemble.h"
#include "runtime/image/image_store.h"
#include "runtime/image/manifest.h"
#include "runtime/image/reference.h"
#include "runtime/image/registry_client.h"
#include "runtime/image/run_aside.h"

namespace gantry::image {

struct PullOptions {
  Platform platform = HostPlatform();
  UnpackLimits limits;
  // Keep the layers' compressed blobs, for an export that is the same digest
  // for digest and for unpacking again without the network.
  bool keep_layer_blobs = true;
  std::function<bool()> cancelled;  // may be null
  // Another thread for each layer that is fetched (read_ahead.h); may be null.
  RunAside run_aside;
  // How many layers the caller fetches at once, at least 1: they share 32
  // chunks that may be ahead (kChunkBytes each; 4 for each layer in any case).
  size_t layers_at_once = 1;
  // Called when all files of a layer are written; may be null.
  std::function<void()> written;
  // Threads for the parallel ranges of large blobs (registry_ranges.h); null:
  // one connection for each. What waits for these threads goes on without.
  RunAside receive_aside;
};

struct Attempt;

struct PullLayer {
  Descriptor blob;
  Digest diff_id;
  bool present = false;  // unpacked already when the pull began
};

class Pull {
 public:
  const std::vector<PullLayer>& layers() const { return layers_; }
  const Digest& image_id() const { return manifest_.config.digest; }

  // Fetches, verifies, unpacks and publishes layer `i`; nothing to do if it is
  // present. What the store has of it, blob or layer, is not fetched again.
  absl::Status FetchLayer(size_t i, const LayerProgress& progress = nullptr);
  // All layers must be there.
  absl::StatusOr<record::ImageRecord> Commit();

 private:
  friend class Puller;
  Pull() = default;
  absl::Status FetchLostBlob(const PullLayer& layer);
  size_t ChunksAhead() const;
  absl::Status FetchBlob(const PullLayer& layer, StoreLayerOptions options,
                         Attempt* attempt);
  absl::StatusOr<bool> UnpackKept(const PullLayer& layer,
                                  StoreLayerOptions options);

  RegistryClient* registry_ = nullptr;
  ImageStore* store_ = nullptr;
  PullOptions options_;
  std::optional<Reference> ref_;
  // Every manifest's digest under which the image was asked for or found.
  std::vector<Digest> documents_;
  Digest manifest_digest_ = DigestOf("");
  int64_t manifest_size_ = 0;
  Manifest manifest_ = {{}, {{}, DigestOf("")}, {}, {}};
  ImageConfig config_;
  std::vector<PullLayer> layers_;
  std::vector<HoldTable::Hold> holds_;
};

class Puller {
 public:
  // Borrows both.
  Puller(RegistryClient* registry, ImageStore* store, PullOptions options)
      : registry_(registry), store_(store), options_(std::move(options)) {}

  // Fetches and verifies manifest and configuration. What the store has by
  // digest is not fetched again.
  absl::StatusOr<std::unique_ptr<Pull>> Resolve(const Reference& ref);

 private:
  absl::StatusOr<FetchedManifest> Document(const Reference& ref,
                                           const std::optional<Digest>& wanted,
                                           Pull* pull);
  absl::Status ResolveManifest(const Reference& ref, Pull* pull);
  absl::Status ResolveConfig(const Reference& ref, Pull* pull);

  RegistryClient* registry_;
  ImageStore* store_;
  PullOptions options_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_PULLER_H_
