// Gives a node that was just made the owner, mode, attributes and time of its
// tar entry.
//
// overlay's own xattrs, and those of security modules, which speak of the
// machine they come from, are left out. Thread safety: pure functions. Blocks
// on the disk. Errors carry the errno.

#ifndef GANTRY_RUNTIME_IMAGE_LAYER_DRESS_H_
#define GANTRY_RUNTIME_IMAGE_LAYER_DRESS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "runtime/image/tar_reader.h"

namespace gantry::image {

bool IsWantedXattr(absl::string_view key);

// An open file or directory; its time is the caller's to set, once all is
// written. `skipped` counts attributes that the file system does not support.
absl::Status DressFd(int fd, const TarEntry& entry, int64_t* skipped);

// Anything else, time included. Links are not followed.
absl::Status DressAt(int dirfd, const std::string& name, const TarEntry& entry,
                     int64_t* skipped);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_LAYER_DRESS_H_
