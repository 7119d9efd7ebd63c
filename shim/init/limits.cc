#include "shim/init/limits.h"

#include <errno.h>
#include <sys/resource.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::init {
namespace {

absl::Status SetLimit(const plan::RlimitPlan& limit,
                      std::vector<std::string>& degraded) {
  const auto resource = static_cast<__rlimit_resource>(limit.resource());
  rlimit wanted = {limit.soft(), limit.hard()};
  if (setrlimit(resource, &wanted) == 0) return absl::OkStatus();
  const int error_number = errno;
  std::string what =
      absl::StrCat("resource limit ", limit.resource(), " to ", limit.hard());
  // Also RLIMIT_NOFILE above fs.nr_open is EPERM.
  if (error_number != EPERM) return ErrnoStatus(error_number, what);
  rlimit current = {};
  if (getrlimit(resource, &current) != 0) return ErrnoStatus(errno, what);
  wanted.rlim_max = std::min(wanted.rlim_max, current.rlim_max);
  wanted.rlim_cur = std::min(wanted.rlim_cur, wanted.rlim_max);
  if (setrlimit(resource, &wanted) != 0) return ErrnoStatus(errno, what);
  degraded.push_back(absl::StrCat(what, ": ", ErrnoName(error_number),
                                  ", set to ", wanted.rlim_max));
  return absl::OkStatus();
}

}  // namespace

absl::Status SetLimits(const plan::Identity& identity,
                       std::vector<std::string>& degraded) {
  for (const plan::RlimitPlan& limit : identity.rlimits()) {
    RETURN_IF_ERROR(SetLimit(limit, degraded));
  }
  return absl::OkStatus();
}

}  // namespace gantry::init
