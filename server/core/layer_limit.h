// How much a container may write into its writable layer: what the node's
// configuration says for all, and an annotation for one.
//
// The annotation is read from the container's and else from the pod's, since
// Kubernetes lets its users write only those. Whoever may write annotations is
// not the node's owner: they lower the node's limit and never raise it.
// Thread safety: pure functions.

#ifndef GANTRY_SERVER_CORE_LAYER_LIMIT_H_
#define GANTRY_SERVER_CORE_LAYER_LIMIT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/record.pb.h"

namespace gantry::core {

// Of a container or pod: a size as "10Gi" or "512Mi", or "0" for none.
inline constexpr absl::string_view kLayerSizeAnnotation =
    "gantry.writable-layer-size";

// Less would not do for what overlay itself writes.
inline constexpr uint64_t kLeastLayerLimit = uint64_t{1} << 20;

// In bytes, 0: none. INVALID_ARGUMENT for an annotation that is no size, less
// than kLeastLayerLimit or more than `node_limit`.
absl::StatusOr<uint64_t> LayerLimit(uint64_t node_limit,
                                    const record::ContainerRecord& container,
                                    const record::PodRecord& pod);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_LAYER_LIMIT_H_
