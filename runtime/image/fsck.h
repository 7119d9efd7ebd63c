// Verifies all that the image store holds against its digests, and mends it: a
// broken layer is unpacked anew from its blob, a broken blob is removed so that
// the next pull or load brings it again.
//
// Blobs are read through and hashed. A layer is unpacked once more from the
// blob it was made of, beside, and the two trees are compared file by file
// (tree_compare.h); nothing about a layer's files is kept on disk only for
// this. A layer without a kept blob cannot be verified, and that is told.
//
// Pulls, loads and containers may go on meanwhile; what a pull holds is
// repaired by a later run, and a container keeps the broken layer it has. Needs
// room for the largest layer. Thread safety: as ImageStore. Blocks; long.

#ifndef GANTRY_RUNTIME_IMAGE_FSCK_H_
#define GANTRY_RUNTIME_IMAGE_FSCK_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/image/image_store.h"

namespace gantry::image {

struct FsckFinding {
  enum class Kind {
    kBadBlob,     // damaged, or named by an image and missing
    kBadLayer,    // differs from what its blob unpacks to, or is missing
    kUnverified,  // a layer whose blob is not there: nothing to compare with
    kUnused,      // a blob or layer that nothing uses: garbage
  };
  Kind kind = Kind::kBadBlob;
  // A blob's digest or a layer's diffID.
  std::string object;
  // What is wrong.
  std::string problem;
  // Ids of the images that want the object.
  std::vector<std::string> images;
  // Mended, or removed so that a pull or load of the images mends it.
  bool repaired = false;
};

struct FsckOptions {
  bool repair = false;
  LayerInUse in_use;
  // As they are found; an error ends the run.
  std::function<absl::Status(const FsckFinding&)> found;
  std::function<bool()> cancelled;  // may be null
};

struct FsckResult {
  int64_t blobs = 0;
  int64_t layers = 0;
  // Read and hashed, or unpacked and compared.
  int64_t bytes = 0;
};

absl::StatusOr<FsckResult> Fsck(ImageStore* store, const FsckOptions& options);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_FSCK_H_
