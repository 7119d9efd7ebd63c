// The limits that a change has to be reconciled with, and the checks that v1
// and v2 share. Pure; thread safety: plain values.

#ifndef GANTRY_RUNTIME_CGROUP_CURRENT_LIMITS_H_
#define GANTRY_RUNTIME_CGROUP_CURRENT_LIMITS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/cgroup/resources.h"

namespace gantry::cgroup {

// As read from a cgroup in use; unset in one just created, which has no limits.
// -1: no limit.
struct CurrentLimits {
  std::optional<int64_t> memory;       // bytes
  std::optional<int64_t> memory_swap;  // v1: memory plus swap, bytes
  std::optional<int64_t> cpu_quota;    // microseconds
};

// INVALID_ARGUMENT for memory limits that contradict each other or `now`.
// Gives the memory limit that holds afterwards (-1: none).
absl::StatusOr<int64_t> CheckMemory(const Resources& resources,
                                    const CurrentLimits& now);

// INVALID_ARGUMENT for a quota or period outside the kernel's range.
absl::Status CheckCpu(const Resources& resources);

// INVALID_ARGUMENT unless it is <number>{KB,MB,GB}.
absl::Status CheckPageSize(absl::string_view page_size);

// INVALID_ARGUMENT unless a list such as "0-3,8".
absl::Status CheckCpuList(absl::string_view what, absl::string_view list);

// INVALID_ARGUMENT unless every weight is 10 to 1000.
absl::Status CheckWeights(const BlockIo& block_io);

// The text for a limit of pids.max: "max" or the number.
absl::StatusOr<std::string> PidsText(int64_t limit);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_CURRENT_LIMITS_H_
