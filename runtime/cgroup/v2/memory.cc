#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/v2/controllers.h"

namespace gantry::cgroup::v2 {

namespace {

std::string Text(int64_t bytes) {
  return bytes == -1 ? "max" : absl::StrCat(bytes);
}

}  // namespace

absl::StatusOr<Writes> MemoryWrites(const Resources& resources,
                                    const CurrentLimits& now) {
  ASSIGN_OR_RETURN(const int64_t limit_after, CheckMemory(resources, now));
  Writes writes;
  if (resources.memory_limit.has_value()) {
    writes.push_back({"memory.max", Text(*resources.memory_limit)});
  }
  // Swap has a limit of its own here. "No memory limit" lifts it as well, as it
  // has to on v1.
  std::optional<int64_t> swap = resources.memory_swap;
  if (!swap.has_value() && resources.memory_limit == -1) swap = -1;
  if (swap.has_value()) {
    const int64_t own = *swap == -1 ? -1 : *swap - limit_after;
    writes.push_back({"memory.swap.max", Text(own),
                      own <= 0 ? IfMissing::kSkip : IfMissing::kFail});
  }
  if (resources.memory_reservation.has_value()) {
    const int64_t low = *resources.memory_reservation;
    writes.push_back({"memory.low", low == -1 ? "0" : absl::StrCat(low)});
  }
  return writes;
}

}  // namespace gantry::cgroup::v2
