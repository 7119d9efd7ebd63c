// Whether a path is there once layers lie on each other, told without a mount.
//
// Follows what overlayfs does (kernel: filesystems/overlayfs.rst, "whiteouts
// and opaque directories"): the topmost layer that has a name decides, unless
// all that have it have a directory.
// Thread-safe; reads a few directory entries per layer.

#ifndef GANTRY_RUNTIME_ROOTFS_LAYERS_LOOKUP_H_
#define GANTRY_RUNTIME_ROOTFS_LAYERS_LOOKUP_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::rootfs {

enum class Lookup {
  kThere,
  kMissing,
  // Behind a symlink, which only a lookup in the mounted tree can follow.
  kUntold,
};

// `layers`: directories, topmost first, relative to the directory descriptor
// `layers_fd`. `path`: plain and relative ("a/b").
absl::StatusOr<Lookup> LookUpInLayers(int layers_fd,
                                      const std::vector<std::string>& layers,
                                      absl::string_view path);

}  // namespace gantry::rootfs

#endif  // GANTRY_RUNTIME_ROOTFS_LAYERS_LOOKUP_H_
