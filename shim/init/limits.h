// Resource limits of the process (setrlimit(2)).
//
// Thread safety: changes the calling process.

#ifndef GANTRY_SHIM_INIT_LIMITS_H_
#define GANTRY_SHIM_INIT_LIMITS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/plan.pb.h"

namespace gantry::init {

// A hard limit that may not be raised is set as high as it may be; `degraded`
// then names it, what was wanted and what it is.
absl::Status SetLimits(const plan::Identity& identity,
                       std::vector<std::string>& degraded);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_LIMITS_H_
