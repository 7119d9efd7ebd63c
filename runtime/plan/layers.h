// Layers of an image as what an overlay is mounted from.
//
// Thread safety: pure function.

#ifndef GANTRY_RUNTIME_PLAN_LAYERS_H_
#define GANTRY_RUNTIME_PLAN_LAYERS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/plan.pb.h"

namespace gantry::plan {

// Sets all of `plan` but upper_dir and work_dir. INVALID_ARGUMENT names the
// field that is no plain path.
absl::Status PlanLayers(const std::string& layers_dir,
                        const std::vector<std::string>& lower_dirs,
                        const std::string& mount_point, OverlayPlan& plan);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_LAYERS_H_
