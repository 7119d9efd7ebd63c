#include "server/core/merge_resources.h"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace gantry::core {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr uint64_t kDefaultPeriod = 100'000;
// The most that cpu.shares takes.
constexpr uint64_t kMostShares = 262'144;

int64_t Plus(int64_t a, int64_t b) { return a > kMost - b ? kMost : a + b; }

// Of limits in which -1 is "none".
int64_t SumOfLimits(int64_t a, int64_t b) {
  return a == -1 || b == -1 ? -1 : Plus(a, b);
}

// Memory plus swap of the overhead; without a word about swap it has none.
int64_t SwapOf(const spec::Resources& overhead) {
  return overhead.has_memory_swap_limit() ? overhead.memory_swap_limit()
                                          : overhead.memory_limit();
}

// `quota` of a period as the same share of another one.
int64_t Rescaled(int64_t quota, uint64_t from, uint64_t to) {
  return static_cast<int64_t>(static_cast<double>(quota) /
                              static_cast<double>(from) *
                              static_cast<double>(to));
}

uint64_t PeriodOf(const spec::Resources& resources) {
  return resources.has_cpu_period() ? resources.cpu_period() : kDefaultPeriod;
}

}  // namespace

void MergeResources(const spec::Resources& update, spec::Resources& target) {
  // MergeFrom overwrites what is set and would append huge page limits twice.
  spec::Resources merged = update;
  for (const spec::HugepageLimit& old : target.hugepages()) {
    bool replaced = false;
    for (const spec::HugepageLimit& limit : update.hugepages()) {
      replaced = replaced || limit.page_size() == old.page_size();
    }
    if (!replaced) *merged.add_hugepages() = old;
  }
  // As the kernel is told (runtime/cgroup): a memory limit changed alone keeps
  // the allowance of swap above it.
  if (update.has_memory_limit() && !update.has_memory_swap_limit() &&
      target.memory_limit() > 0 && target.memory_swap_limit() > 0) {
    const int64_t allowance =
        target.memory_swap_limit() - target.memory_limit();
    merged.set_memory_swap_limit(update.memory_limit() == -1
                                     ? -1
                                     : Plus(update.memory_limit(), allowance));
  }
  target.clear_hugepages();
  target.MergeFrom(merged);
}

spec::Resources PodLimits(const spec::Resources& overhead,
                          const spec::Resources& resources) {
  spec::Resources sum = resources;
  if (resources.has_memory_limit()) {
    sum.set_memory_limit(
        SumOfLimits(resources.memory_limit(), overhead.memory_limit()));
  }
  if (resources.has_memory_swap_limit()) {
    sum.set_memory_swap_limit(
        SumOfLimits(resources.memory_swap_limit(), SwapOf(overhead)));
  }
  if (resources.has_cpu_shares()) {
    sum.set_cpu_shares(
        std::min(kMostShares, resources.cpu_shares() + overhead.cpu_shares()));
  }
  if (resources.has_cpu_quota()) {
    const int64_t more = overhead.cpu_quota() > 0
                             ? Rescaled(overhead.cpu_quota(),
                                        PeriodOf(overhead), PeriodOf(resources))
                             : overhead.cpu_quota();
    sum.set_cpu_quota(SumOfLimits(resources.cpu_quota(), more));
  }
  for (spec::HugepageLimit& limit : *sum.mutable_hugepages()) {
    for (const spec::HugepageLimit& more : overhead.hugepages()) {
      if (more.page_size() != limit.page_size()) continue;
      limit.set_limit(limit.limit() + more.limit());
    }
  }
  return sum;
}

}  // namespace gantry::core
