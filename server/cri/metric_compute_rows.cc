#include "server/cri/metric_rows.h"

namespace gantry::cri {
namespace {

using runtime::v1::COUNTER;
using runtime::v1::GAUGE;
using Subject = MetricSubject;
using Add = AddMetric;

std::optional<uint64_t> Seconds(std::optional<uint64_t> nanos) {
  if (!nanos.has_value()) return std::nullopt;
  return *nanos / 1'000'000'000;
}

enum class Pressed { kSome, kFull };

void AddPressure(const std::optional<cgroup::Pressure>& pressure,
                 Pressed pressed, const Add& add) {
  if (!pressure.has_value()) return;
  const cgroup::PressureLine& line =
      pressed == Pressed::kSome ? pressure->some : pressure->full;
  add(line.total_us / 1'000'000, {});
}

void AddFaults(const cgroup::MemoryStats& memory, const Add& add) {
  add(memory.own_page_faults, {"pgfault", "container"});
  add(memory.own_major_page_faults, {"pgmajfault", "container"});
  add(memory.page_faults, {"pgfault", "hierarchy"});
  add(memory.major_page_faults, {"pgmajfault", "hierarchy"});
}

}  // namespace

const std::vector<MetricRow>& ComputeRows() {
  static const auto* const rows = new std::vector<MetricRow>{
      {"container_cpu_usage_seconds_total",
       "CPU time used, in seconds.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         add(Seconds(s.counters().cpu.usage_ns), {});
       }},
      {"container_cpu_user_seconds_total",
       "CPU time used in user mode, in seconds.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         add(Seconds(s.counters().cpu.user_ns), {});
       }},
      {"container_cpu_system_seconds_total",
       "CPU time used in the kernel, in seconds.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         add(Seconds(s.counters().cpu.system_ns), {});
       }},
      {"container_cpu_cfs_periods_total",
       "Periods of the CPU quota that have passed.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().cpu.periods, {});
       }},
      {"container_cpu_cfs_throttled_periods_total",
       "Periods in which the CPU quota was used up.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().cpu.throttled_periods, {});
       }},
      {"container_cpu_cfs_throttled_seconds_total",
       "Time for which the CPU quota held the container up, in seconds.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         add(Seconds(s.counters().cpu.throttled_ns), {});
       }},
      {"container_memory_usage_bytes",
       "All memory charged to the container, file cache included.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().memory.usage_bytes, {});
       }},
      {"container_memory_working_set_bytes",
       "Memory in use without the file cache that could go at once.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().memory.working_set_bytes, {});
       }},
      {"container_memory_rss",
       "Anonymous memory, in bytes.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().memory.rss_bytes, {});
       }},
      {"container_memory_cache",
       "File cache, in bytes.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().memory.cache_bytes, {});
       }},
      {"container_memory_mapped_file",
       "Mapped files, in bytes.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().memory.mapped_file_bytes, {});
       }},
      {"container_memory_total_active_file_bytes",
       "File cache that was used lately, in bytes.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().memory.active_file_bytes, {});
       }},
      {"container_memory_total_inactive_file_bytes",
       "File cache that could go at once, in bytes.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().memory.inactive_file_bytes, {});
       }},
      {"container_memory_kernel_usage",
       "Memory that the kernel uses for the container, in bytes.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().memory.kernel_bytes, {});
       }},
      {"container_memory_swap",
       "Memory that is swapped out, in bytes.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().memory.swap_usage_bytes, {});
       }},
      {"container_memory_max_usage_bytes",
       "The most memory that was ever in use, in bytes.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().memory.max_usage_bytes, {});
       }},
      {"container_memory_failcnt",
       "How often the container ran into its memory limit.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().memory.limit_hits, {});
       }},
      {"container_memory_failures_total",
       "Page faults, by kind and by whether cgroups below are counted.",
       COUNTER,
       {"failure_type", "scope"},
       [](const Subject& s, const Add& add) {
         AddFaults(s.counters().memory, add);
       }},
      {"container_oom_events_total",
       "Processes of the container that the OOM killer took.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().oom_kills, {});
       }},
      {"container_hugetlb_usage_bytes",
       "Huge pages in use, in bytes.",
       GAUGE,
       {"pagesize"},
       [](const Subject& s, const Add& add) {
         for (const auto& pages : s.counters().hugepages) {
           add(pages.usage_bytes, {pages.page_size});
         }
       }},
      {"container_hugetlb_max_usage_bytes",
       "The most huge pages that were ever in use, in bytes.",
       GAUGE,
       {"pagesize"},
       [](const Subject& s, const Add& add) {
         for (const auto& pages : s.counters().hugepages) {
           add(pages.max_usage_bytes, {pages.page_size});
         }
       }},
      {"container_pressure_cpu_waiting_seconds_total",
       "Time in which some of the container waited for a CPU.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         AddPressure(s.counters().cpu.pressure, Pressed::kSome, add);
       }},
      {"container_pressure_cpu_stalled_seconds_total",
       "Time in which all of the container waited for a CPU.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         AddPressure(s.counters().cpu.pressure, Pressed::kFull, add);
       }},
      {"container_pressure_memory_waiting_seconds_total",
       "Time in which some of the container waited for memory.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         AddPressure(s.counters().memory.pressure, Pressed::kSome, add);
       }},
      {"container_pressure_memory_stalled_seconds_total",
       "Time in which all of the container waited for memory.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         AddPressure(s.counters().memory.pressure, Pressed::kFull, add);
       }},
      {"container_pressure_io_waiting_seconds_total",
       "Time in which some of the container waited for disks.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         AddPressure(s.counters().io.pressure, Pressed::kSome, add);
       }},
      {"container_pressure_io_stalled_seconds_total",
       "Time in which all of the container waited for disks.",
       COUNTER,
       {},
       [](const Subject& s, const Add& add) {
         AddPressure(s.counters().io.pressure, Pressed::kFull, add);
       }},
  };
  return *rows;
}

}  // namespace gantry::cri
