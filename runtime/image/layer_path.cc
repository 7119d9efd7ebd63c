#include "runtime/image/layer_path.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace gantry::image {
namespace {

constexpr absl::string_view kWhiteoutPrefix = ".wh.";
constexpr absl::string_view kMetaPrefix = ".wh..wh.";
constexpr absl::string_view kOpaqueName = ".wh..wh..opq";
constexpr size_t kMaxComponent = 255;  // NAME_MAX
constexpr size_t kMaxPath = 4096;      // PATH_MAX

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(why);
}

}  // namespace

absl::StatusOr<LayerPath> ParseLayerPath(absl::string_view name) {
  if (name.size() > kMaxPath) return Bad("the name is longer than 4096 bytes");
  if (absl::StrContains(name, '\0')) return Bad("a NUL in the name");
  std::vector<absl::string_view> parts;
  for (absl::string_view part : absl::StrSplit(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return Bad("\"..\" in the name");
    if (part.size() > kMaxComponent) {
      return Bad("a part of the name is longer than 255 bytes");
    }
    parts.push_back(part);
  }
  LayerPath path;
  if (parts.empty()) {
    path.kind = LayerPath::Kind::kRoot;
    return path;
  }
  absl::string_view base = parts.back();
  parts.pop_back();
  for (absl::string_view part : parts) {
    if (absl::StartsWith(part, kWhiteoutPrefix)) {
      return Bad("an entry below a whiteout");
    }
  }
  path.dir = absl::StrJoin(parts, "/");
  if (base == kOpaqueName) {
    path.kind = LayerPath::Kind::kOpaque;
  } else if (absl::StartsWith(base, kMetaPrefix)) {
    path.kind = LayerPath::Kind::kIgnored;
  } else if (absl::ConsumePrefix(&base, kWhiteoutPrefix)) {
    if (base.empty() || base == "." || base == "..") {
      return Bad("a whiteout of nothing");
    }
    path.kind = LayerPath::Kind::kWhiteout;
    path.base = std::string(base);
  } else {
    path.base = std::string(base);
  }
  return path;
}

}  // namespace gantry::image
