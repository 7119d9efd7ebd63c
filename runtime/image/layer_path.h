// The name of a tar entry, taken apart and judged before any system call sees
// it (OCI image-spec layer.md, "Whiteouts").
//
// Thread safety: pure functions. Never blocks.

#ifndef GANTRY_RUNTIME_IMAGE_LAYER_PATH_H_
#define GANTRY_RUNTIME_IMAGE_LAYER_PATH_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::image {

struct LayerPath {
  enum class Kind {
    kNode,      // an ordinary entry
    kRoot,      // the layer's top directory
    kWhiteout,  // base is the name to hide, without ".wh."
    kOpaque,    // dir hides all that is below it
    kIgnored,   // bookkeeping of aufs (".wh..wh.plnk", ...)
  };
  Kind kind = Kind::kNode;
  std::string dir;   // relative, clean, "" for the root
  std::string base;  // one component; empty for kRoot and kOpaque
};

// Leading slashes and "." count for nothing. INVALID_ARGUMENT for "..", for a
// component over 255 or a name over 4096 bytes, and for a malformed whiteout.
absl::StatusOr<LayerPath> ParseLayerPath(absl::string_view name);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_LAYER_PATH_H_
