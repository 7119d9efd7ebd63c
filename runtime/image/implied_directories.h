// Directories that no entry of their layer tells of: "a/b" without "a". What
// owner, mode, times and attributes they have is for the layers below to say,
// but layers are unpacked by themselves and shared between images, and overlay
// shows those of the topmost one. So the unpacker marks them, and an image in
// which it matters gets one more layer on top, of nothing but such directories
// as the layers below have them.
//
// The mark is an xattr in overlay's own name space, which no container sees.
// Links are not followed. Thread safety: pure functions. Blocks on the disk; an
// image without marked layers costs one call for each.

#ifndef GANTRY_RUNTIME_IMAGE_IMPLIED_DIRECTORIES_H_
#define GANTRY_RUNTIME_IMAGE_IMPLIED_DIRECTORIES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/image/tar_reader.h"

namespace gantry::image {

// Marks a layer whose top directory has an entry. (Few have, so it is the other
// way round than below it.) That only its time is another in the layers below
// is no reason for a layer on top.
absl::Status MarkTop(int layer);
// Marks the directory `dirfd` of the layer whose top directory is `layer`.
absl::Status MarkImplied(int layer, int dirfd);
// An entry for it came after all.
absl::Status UnmarkImplied(int dirfd);

// What an image of these layers (descriptors of their top directories, bottom
// first) needs on top, each directory after its parent, the top one (path "")
// first. Empty: nothing.
absl::StatusOr<std::vector<TarEntry>> ImpliedDirectories(
    const std::vector<int>& layers);

// The same for the same directories: what such a layer is named after.
std::string Describe(const std::vector<TarEntry>& directories);

// Makes them in the empty directory `dirfd`.
absl::Status MakeDirectories(const std::vector<TarEntry>& directories,
                             int dirfd);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_IMPLIED_DIRECTORIES_H_
