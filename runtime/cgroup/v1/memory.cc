#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/v1/controllers.h"

namespace gantry::cgroup::v1 {

namespace {

// The memory+swap limit to write: the one asked for, or the one that keeps the
// allowance of swap when the memory limit changes alone.
std::optional<int64_t> NewSwap(const Resources& resources,
                               const CurrentLimits& now) {
  if (resources.memory_swap.has_value()) return resources.memory_swap;
  if (!resources.memory_limit.has_value()) return std::nullopt;
  if (now.memory_swap.value_or(-1) == -1) return std::nullopt;
  if (*resources.memory_limit == -1) return -1;
  // A cgroup's memory limit never exceeds its memory+swap limit.
  const int64_t allowance =
      *now.memory_swap - now.memory.value_or(*now.memory_swap);
  return *resources.memory_limit + allowance;
}

}  // namespace

absl::StatusOr<Writes> MemoryWrites(const Resources& resources,
                                    const CurrentLimits& now) {
  ASSIGN_OR_RETURN(const int64_t limit_after, CheckMemory(resources, now));
  Writes writes;
  if (resources.memory_limit.has_value()) {
    writes.push_back(
        {"memory.limit_in_bytes", absl::StrCat(*resources.memory_limit)});
  }
  if (const auto swap = NewSwap(resources, now); swap.has_value()) {
    const bool no_swap_asked = *swap == -1 || *swap == limit_after;
    FileWrite write{"memory.memsw.limit_in_bytes", absl::StrCat(*swap),
                    no_swap_asked ? IfMissing::kSkip : IfMissing::kFail};
    const int64_t swap_now = now.memory_swap.value_or(-1);
    const bool memory_would_pass_swap =
        swap_now != -1 && (limit_after == -1 || limit_after > swap_now);
    writes.insert(memory_would_pass_swap ? writes.begin() : writes.end(),
                  std::move(write));
  }
  if (resources.memory_reservation.has_value()) {
    // Kernels built with PREEMPT_RT don't have it; it is a hint.
    writes.push_back({"memory.soft_limit_in_bytes",
                      absl::StrCat(*resources.memory_reservation),
                      IfMissing::kSkip});
  }
  return writes;
}

}  // namespace gantry::cgroup::v1
