// The id mappings of a container's mounts, as descriptors.
//
// To be called by the shim before it clones init: a namespace takes a process
// for a moment, which must not count against the container's limits.
// Thread safety: for a single-threaded process only.

#ifndef GANTRY_SHIM_INIT_ID_MAPS_H_
#define GANTRY_SHIM_INIT_ID_MAPS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "proto/plan.pb.h"
#include "runtime/base/unique_fd.h"

namespace gantry::init {

// A user namespace for each of plan.id_maps(), for InitContext.id_maps.
absl::StatusOr<std::vector<UniqueFd>> MakeIdMaps(const plan::InitPlan& plan);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_ID_MAPS_H_
