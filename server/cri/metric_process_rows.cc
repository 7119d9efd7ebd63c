#include "server/cri/metric_rows.h"

namespace gantry::cri {
namespace {

using runtime::v1::COUNTER;
using runtime::v1::GAUGE;
using Subject = MetricSubject;
using Add = AddMetric;

constexpr uint64_t kNanos = 1'000'000'000;

// Without a limit: 0.
void AddLimit(int64_t bytes, const Add& add) { add(bytes > 0 ? bytes : 0, {}); }

}  // namespace

const std::vector<MetricRow>& ProcessRows() {
  static const auto* const rows = new std::vector<MetricRow>{
      {"container_processes",
       "Processes in the container.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         const auto& counts = s.container->processes;
         if (counts.has_value()) add(counts->processes, {});
       }},
      {"container_threads",
       "Threads in the container.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.counters().pids.current, {});
       }},
      {"container_threads_max",
       "Threads that there may be in the container; 0: any number.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         const cgroup::PidsStats& pids = s.counters().pids;
         if (pids.current.has_value()) add(pids.limit.value_or(0), {});
       }},
      {"container_file_descriptors",
       "File descriptors that the container has open.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         const auto& counts = s.container->processes;
         if (counts.has_value()) add(counts->descriptors, {});
       }},
      {"container_sockets",
       "Sockets that the container has open.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         const auto& counts = s.container->processes;
         if (counts.has_value()) add(counts->sockets, {});
       }},
      {"container_ulimits_soft",
       "Soft limits of the container's first process.",
       GAUGE,
       {"ulimit"},
       [](const Subject& s, const Add& add) {
         add(s.container->open_files_limit, {"max_open_files"});
       }},
      {"container_last_seen",
       "When this was read, in seconds since the epoch.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.container->cgroup->at / kNanos, {});
       }},
      {"container_start_time_seconds",
       "When the container was started, in seconds since the epoch.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         add(s.container->container->started().started_at() / kNanos, {});
       }},
      {"container_spec_cpu_period",
       "Period of the CPU quota, in microseconds.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         if (s.resources().has_cpu_period())
           add(s.resources().cpu_period(), {});
       }},
      {"container_spec_cpu_quota",
       "CPU time allowed in each period, in microseconds.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         if (s.resources().cpu_quota() > 0) add(s.resources().cpu_quota(), {});
       }},
      {"container_spec_cpu_shares",
       "CPU shares relative to those of other containers.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         if (s.resources().has_cpu_shares())
           add(s.resources().cpu_shares(), {});
       }},
      {"container_spec_memory_limit_bytes",
       "Memory limit, in bytes; 0: none.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         AddLimit(s.resources().memory_limit(), add);
       }},
      {"container_spec_memory_reservation_limit_bytes",
       "Memory that is kept from reclaim, in bytes; 0: none.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         AddLimit(s.resources().memory_reservation(), add);
       }},
      {"container_spec_memory_swap_limit_bytes",
       "Limit of memory and swap together, in bytes; 0: none.",
       GAUGE,
       {},
       [](const Subject& s, const Add& add) {
         AddLimit(s.resources().memory_swap_limit(), add);
       }},
  };
  return *rows;
}

}  // namespace gantry::cri
