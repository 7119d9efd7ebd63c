#include "runtime/plan/layers.h"

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/plan/paths.h"

namespace gantry::plan {

absl::Status PlanLayers(const std::string& layers_dir,
                        const std::vector<std::string>& lower_dirs,
                        const std::string& mount_point, OverlayPlan& plan) {
  if (lower_dirs.empty()) return absl::InvalidArgumentError("no layers");
  for (const std::string& dir : lower_dirs) {
    // Names go into an option list of the kernel with ':' between them.
    if (dir.empty() || dir[0] == '/' ||
        dir.find_first_of(":\\,") != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("lower_dirs: \"", dir, "\" is no plain relative path"));
    }
    RETURN_IF_ERROR(CheckNoNul(dir, "lower_dirs"));
    plan.add_lower_dirs(dir);
  }
  ASSIGN_OR_RETURN(*plan.mutable_layers_dir(),
                   CleanAbsolutePath(layers_dir, "layers_dir"));
  ASSIGN_OR_RETURN(*plan.mutable_mount_point(),
                   CleanAbsolutePath(mount_point, "mount_point"));
  return absl::OkStatus();
}

}  // namespace gantry::plan
