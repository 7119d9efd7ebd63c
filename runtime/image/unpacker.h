// Applies one layer tar into a fresh directory of its own, in the form overlay
// wants it (OCI image-spec layer.md; kernel Documentation/filesystems/
// overlayfs.rst): ".wh.x" becomes a character device 0:0, ".wh..wh..opq" sets
// trusted.overlay.opaque. No other layer is looked at, so layers may be
// unpacked side by side.
//
// The layer is untrusted. Every name is resolved by openat2 from the layer's
// own descriptor and cannot leave it: ".." is refused, absolute names count
// from the layer's root, a symbolic link among the parents is followed inside
// the layer only, hard link targets are found the same way and never followed
// at their end. overlay's own xattrs are dropped. Of two entries with one name
// the last wins, but a whiteout never hides what its own layer brings.
// Directories that are implied and not in the archive get 0755, root.
// Thread safety: as many at once as there are directories. Blocks; long.
// Memory, of one call: the decompressor's (decompress.h), 4 MiB read ahead, the
// headers of one entry (tar_reader.h), the names of the layer's directories (at
// most 64 MiB) and 48 bytes for each.

#ifndef GANTRY_RUNTIME_IMAGE_UNPACKER_H_
#define GANTRY_RUNTIME_IMAGE_UNPACKER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/digest.h"
#include "runtime/image/run_aside.h"

namespace gantry::image {

struct UnpackLimits {
  int64_t max_entries = 4'000'000;
  // Of the inflated tar stream, and of the files' apparent sizes together:
  // a sparse file of a few bytes may claim any size.
  int64_t max_tar_bytes = int64_t{256} << 30;
  int64_t max_file_bytes = int64_t{1} << 40;
  // Of the names of all directories together, which are kept until the end:
  // about a million of them.
  int64_t max_directory_name_bytes = int64_t{64} << 20;
  // What a layer may inflate to, as a multiple of its blob's size, if that is
  // known (StoreLayer). So many bytes each may: small layers are not judged.
  int64_t max_inflation = 300;
  int64_t always_allowed_bytes = int64_t{1} << 30;
};

struct UnpackOptions {
  UnpackLimits limits;
  std::function<bool()> cancelled;  // may be null
  // Reads, hashes and inflates the layer on a thread beside the one that writes
  // files. Null: one after the other.
  RunAside run_aside;
  // How many chunks (kChunkBytes) that one may be ahead, at least 1.
  size_t chunks_ahead = 4;
  // Called when unpacking ends early, with run_aside: makes a call of
  // layer->Next() that waits return soon. May be null.
  std::function<void()> abandon;
};

struct UnpackResult {
  Digest diff_id;  // sha256 of the plain tar stream
  int64_t tar_bytes = 0;
  int64_t entries = 0;
  // Attributes the file system does not support (EOPNOTSUPP).
  int64_t skipped_xattrs = 0;
  // Paths of the directories whose time an entry told, the top one's "."; by
  // the names of the entries, which may lead through links.
  std::vector<std::string> dated_directories;
};

// Unpacks `layer` (borrowed; gzip, zstd or plain, read to its end) into the
// empty directory `dirfd`. INVALID_ARGUMENT names the entry that is malformed
// or hostile; CANCELLED once `cancelled` says so. After an error the directory
// holds a part of the layer and must be thrown away.
absl::StatusOr<UnpackResult> UnpackLayer(ByteSource* layer, int dirfd,
                                         const UnpackOptions& options = {});

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_UNPACKER_H_
