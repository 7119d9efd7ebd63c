#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/v1/controllers.h"

namespace gantry::cgroup::v1 {

absl::StatusOr<Writes> CpuWrites(const Resources& resources,
                                 const CurrentLimits& now) {
  RETURN_IF_ERROR(CheckCpu(resources));
  Writes writes;
  if (resources.cpu_shares.has_value()) {
    writes.push_back({"cpu.shares", absl::StrCat(*resources.cpu_shares)});
  }
  const bool limited = now.cpu_quota.value_or(-1) != -1;
  if (resources.cpu_quota.has_value() && resources.cpu_period.has_value() &&
      limited) {
    writes.push_back({"cpu.cfs_quota_us", "-1"});
  }
  if (resources.cpu_period.has_value()) {
    writes.push_back(
        {"cpu.cfs_period_us", absl::StrCat(*resources.cpu_period)});
  }
  if (resources.cpu_quota.has_value()) {
    writes.push_back({"cpu.cfs_quota_us", absl::StrCat(*resources.cpu_quota)});
  }
  return writes;
}

}  // namespace gantry::cgroup::v1
