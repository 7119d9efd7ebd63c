#include <cmath>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/v2/controllers.h"

namespace gantry::cgroup::v2 {

uint64_t WeightFromShares(uint64_t shares) {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  // The quadratic in log2(shares) that goes through (2, 1), (1024, 100) and
  // (262144, 10000).
  const double l = std::log2(static_cast<double>(shares));
  const double exponent = (l * l + 125 * l) / 612.0 - 7.0 / 34.0;
  return static_cast<uint64_t>(std::ceil(std::pow(10, exponent)));
}

absl::StatusOr<Writes> CpuWrites(const Resources& resources,
                                 const CurrentLimits& now) {
  RETURN_IF_ERROR(CheckCpu(resources));
  Writes writes;
  if (resources.cpu_shares.has_value()) {
    writes.push_back(
        {"cpu.weight", absl::StrCat(WeightFromShares(*resources.cpu_shares))});
  }
  if (!resources.cpu_quota.has_value() && !resources.cpu_period.has_value()) {
    return writes;
  }
  const int64_t quota =
      resources.cpu_quota.value_or(now.cpu_quota.value_or(-1));
  std::string text = quota == -1 ? "max" : absl::StrCat(quota);
  // Without a second number the kernel keeps the period.
  if (resources.cpu_period.has_value()) {
    absl::StrAppend(&text, " ", *resources.cpu_period);
  }
  writes.push_back({"cpu.max", std::move(text)});
  return writes;
}

}  // namespace gantry::cgroup::v2
