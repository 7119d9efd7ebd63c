#include "runtime/base/status.h"
#include "runtime/cgroup/v2/controllers.h"

namespace gantry::cgroup::v2 {

absl::StatusOr<Writes> CpusetWrites(const Resources& resources) {
  Writes writes;
  if (resources.cpuset_cpus.has_value()) {
    RETURN_IF_ERROR(CheckCpuList("cpuset_cpus", *resources.cpuset_cpus));
    writes.push_back({"cpuset.cpus", *resources.cpuset_cpus});
  }
  if (resources.cpuset_mems.has_value()) {
    RETURN_IF_ERROR(CheckCpuList("cpuset_mems", *resources.cpuset_mems));
    writes.push_back({"cpuset.mems", *resources.cpuset_mems});
  }
  return writes;
}

}  // namespace gantry::cgroup::v2
