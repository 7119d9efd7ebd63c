// Limits as writes to cgroup v2 control files, one function per controller.
//
// Pure: nothing is read or written. Each gives an empty list if its part of
// `resources` is unset, and INVALID_ARGUMENT for values that can't be meant.
// Source: Documentation/admin-guide/cgroup-v2.rst, "Controllers".

#ifndef GANTRY_RUNTIME_CGROUP_V2_CONTROLLERS_H_
#define GANTRY_RUNTIME_CGROUP_V2_CONTROLLERS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/cgroup/current_limits.h"
#include "runtime/cgroup/file_write.h"
#include "runtime/cgroup/resources.h"

namespace gantry::cgroup::v2 {

absl::StatusOr<Writes> MemoryWrites(const Resources& resources,
                                    const CurrentLimits& now);
absl::StatusOr<Writes> CpuWrites(const Resources& resources,
                                 const CurrentLimits& now);
absl::StatusOr<Writes> CpusetWrites(const Resources& resources);
absl::StatusOr<Writes> PidsWrites(const Resources& resources);
absl::StatusOr<Writes> HugetlbWrites(const Resources& resources);
absl::StatusOr<Writes> IoWrites(const Resources& resources);
// Resources::unified, line by line. Files that move, stop or kill processes
// are refused.
absl::StatusOr<Writes> UnifiedWrites(const Resources& resources);

// The controller that a file of Resources::unified belongs to: "memory" for
// "memory.high".
absl::string_view ControllerOfFile(absl::string_view file);

// cpu.shares (2 to 262144) as cpu.weight (1 to 10000), with both scales' ends
// and defaults (1024 and 100) meeting: the curve that runc and crun use.
uint64_t WeightFromShares(uint64_t shares);

// blkio weight (10 to 1000) as io.weight (1 to 10000), linear.
uint64_t IoWeightFromBlkio(uint32_t weight);

}  // namespace gantry::cgroup::v2

#endif  // GANTRY_RUNTIME_CGROUP_V2_CONTROLLERS_H_
