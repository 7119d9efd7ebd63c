#include "server/core/layer_limit.h"

#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/conf/size.h"

namespace gantry::core {

absl::StatusOr<uint64_t> LayerLimit(uint64_t node_limit,
                                    const record::ContainerRecord& container,
                                    const record::PodRecord& pod) {
  const std::string key(kLayerSizeAnnotation);
  absl::string_view whose = "annotation";
  auto found = container.annotations().find(key);
  if (found == container.annotations().end()) {
    whose = "annotation of the pod";
    found = pod.annotations().find(key);
    if (found == pod.annotations().end()) return node_limit;
  }
  const std::string& text = found->second;
  const auto bad = [&](absl::string_view expected) {
    return absl::InvalidArgumentError(
        absl::StrCat(whose, " ", key, ": expected ", expected, ", found \"",
                     absl::CHexEscape(text.substr(0, 100)), "\""));
  };
  const std::optional<uint64_t> bytes = conf::ParseSize(text);
  if (!bytes || (*bytes != 0 && *bytes < kLeastLayerLimit)) {
    return bad("\"0\" or a size of at least 1Mi, such as \"10Gi\"");
  }
  if (node_limit != 0 && (*bytes == 0 || *bytes > node_limit)) {
    return bad(absl::StrCat("at most the ", conf::FormatSize(node_limit),
                            " of containers.writable_layer_size"));
  }
  return *bytes;
}

}  // namespace gantry::core
