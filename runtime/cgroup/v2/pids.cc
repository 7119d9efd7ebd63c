#include "runtime/base/status.h"
#include "runtime/cgroup/v2/controllers.h"

namespace gantry::cgroup::v2 {

absl::StatusOr<Writes> PidsWrites(const Resources& resources) {
  if (!resources.pids_limit.has_value()) return Writes{};
  ASSIGN_OR_RETURN(std::string text, PidsText(*resources.pids_limit));
  return Writes{{"pids.max", std::move(text)}};
}

}  // namespace gantry::cgroup::v2
