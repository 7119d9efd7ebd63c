#include "runtime/cgroup/stats_memory.h"

#include <string>

#include "absl/strings/strip.h"
#include "runtime/cgroup/control_text.h"

namespace gantry::cgroup {
namespace {

uint64_t Minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// The limit behind `key` in memory.stat; unset for "no limit".
std::optional<uint64_t> FindLimit(absl::string_view text,
                                  absl::string_view key) {
  absl::string_view line = FindLine(text, key);
  if (!absl::ConsumePrefix(&line, key)) return std::nullopt;
  const std::optional<int64_t> limit = ParseLimit(line);
  if (limit.value_or(-1) == -1) return std::nullopt;
  return *limit;
}

// Usage without `inactive_file`.
void SetWorkingSet(std::optional<uint64_t> inactive_file, MemoryStats& memory) {
  if (!memory.usage_bytes.has_value()) return;
  memory.working_set_bytes =
      Minus(*memory.usage_bytes, inactive_file.value_or(0));
}

void ReadSwapV1(const StatsSource& source, absl::string_view stat,
                MemoryStats& memory) {
  if (!source.Count("memory.memsw.usage_in_bytes").has_value()) return;
  memory.swap_usage_bytes = FindCount(stat, "total_swap");
  const auto both = FindLimit(stat, "hierarchical_memsw_limit");
  if (both.has_value() && memory.limit_bytes.has_value()) {
    memory.swap_available_bytes = Minus(Minus(*both, *memory.limit_bytes),
                                        memory.swap_usage_bytes.value_or(0));
  }
}

void ReadMoreV1(const StatsSource& source, absl::string_view stat,
                MemoryStats& memory) {
  memory.cache_bytes = FindCount(stat, "total_cache");
  memory.mapped_file_bytes = FindCount(stat, "total_mapped_file");
  memory.active_file_bytes = FindCount(stat, "total_active_file");
  memory.inactive_file_bytes = FindCount(stat, "total_inactive_file");
  memory.own_page_faults = FindCount(stat, "pgfault");
  memory.own_major_page_faults = FindCount(stat, "pgmajfault");
  memory.kernel_bytes = source.Count("memory.kmem.usage_in_bytes");
  memory.max_usage_bytes = source.Count("memory.max_usage_in_bytes");
  memory.limit_hits = source.Count("memory.failcnt");
}

void ReadV1(const StatsSource& source, Scope scope, MemoryStats& memory) {
  memory.usage_bytes = source.Count("memory.usage_in_bytes");
  const std::string stat = source.Text("memory.stat");
  SetWorkingSet(FindCount(stat, "total_inactive_file"), memory);
  memory.rss_bytes = FindCount(stat, "total_rss");
  memory.page_faults = FindCount(stat, "total_pgfault");
  memory.major_page_faults = FindCount(stat, "total_pgmajfault");
  // The smallest of the limits from here to the root.
  memory.limit_bytes = FindLimit(stat, "hierarchical_memory_limit");
  ReadSwapV1(source, stat, memory);
  if (scope == Scope::kAll) ReadMoreV1(source, stat, memory);
}

void ReadMoreV2(const StatsSource& source, absl::string_view stat,
                MemoryStats& memory) {
  memory.cache_bytes = FindCount(stat, "file");
  memory.mapped_file_bytes = FindCount(stat, "file_mapped");
  memory.active_file_bytes = FindCount(stat, "active_file");
  memory.inactive_file_bytes = FindCount(stat, "inactive_file");
  memory.kernel_bytes = FindCount(stat, "kernel");
  // Since Linux 5.19.
  memory.max_usage_bytes = source.Count("memory.peak");
  memory.limit_hits = FindCount(source.Text("memory.events"), "max");
}

void ReadV2(const StatsSource& source, Scope scope, MemoryStats& memory) {
  memory.usage_bytes = source.Count("memory.current");
  const std::string stat = source.Text("memory.stat");
  SetWorkingSet(FindCount(stat, "inactive_file"), memory);
  memory.rss_bytes = FindCount(stat, "anon");
  memory.page_faults = FindCount(stat, "pgfault");
  memory.major_page_faults = FindCount(stat, "pgmajfault");
  memory.limit_bytes = source.Limit("memory.max");
  memory.swap_usage_bytes = source.Count("memory.swap.current");
  if (const auto limit = source.Limit("memory.swap.max"); limit.has_value()) {
    memory.swap_available_bytes =
        Minus(*limit, memory.swap_usage_bytes.value_or(0));
  }
  if (scope == Scope::kAll) ReadMoreV2(source, stat, memory);
}

}  // namespace

void ReadMemory(Version version, const StatsSource& source, Scope scope,
                MemoryStats& memory) {
  if (version == Version::kV1) {
    ReadV1(source, scope, memory);
  } else {
    ReadV2(source, scope, memory);
  }
  if (memory.limit_bytes.has_value()) {
    memory.available_bytes =
        Minus(*memory.limit_bytes, memory.working_set_bytes.value_or(0));
  }
}

std::optional<uint64_t> ReadOomKills(Version version,
                                     const StatsSource& source) {
  return FindCount(source.Text(version == Version::kV1 ? "memory.oom_control"
                                                       : "memory.events"),
                   "oom_kill");
}

}  // namespace gantry::cgroup
