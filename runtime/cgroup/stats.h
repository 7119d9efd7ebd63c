// What the kernel has counted for one cgroup.
//
// A field is unset where the kernel, or this machine's layout, doesn't tell.
// Thread safety: plain values. Units are in the names.

#ifndef GANTRY_RUNTIME_CGROUP_STATS_H_
#define GANTRY_RUNTIME_CGROUP_STATS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gantry::cgroup {

// One line of a pressure file (Documentation/accounting/psi.rst).
struct PressureLine {
  double avg10_percent = 0;
  double avg60_percent = 0;
  double avg300_percent = 0;
  uint64_t total_us = 0;
};

struct Pressure {
  PressureLine some;
  PressureLine full;
};

struct CpuStats {
  std::optional<uint64_t> usage_ns;
  std::optional<uint64_t> user_ns;
  std::optional<uint64_t> system_ns;
  std::optional<uint64_t> periods;
  std::optional<uint64_t> throttled_periods;
  std::optional<uint64_t> throttled_ns;
  std::optional<Pressure> pressure;
};

struct MemoryStats {
  std::optional<uint64_t> usage_bytes;
  // Usage without inactive file pages: what kubelet evicts by.
  std::optional<uint64_t> working_set_bytes;
  std::optional<uint64_t> rss_bytes;
  std::optional<uint64_t> page_faults;
  std::optional<uint64_t> major_page_faults;
  // Unset if there is no limit.
  std::optional<uint64_t> limit_bytes;
  // Limit minus working set; unset if there is no limit.
  std::optional<uint64_t> available_bytes;
  std::optional<uint64_t> swap_usage_bytes;
  // What is left of the swap allowance; unset if there is no limit.
  std::optional<uint64_t> swap_available_bytes;
  std::optional<Pressure> pressure;

  // Only with Scope::kAll.
  std::optional<uint64_t> cache_bytes;
  std::optional<uint64_t> mapped_file_bytes;
  std::optional<uint64_t> active_file_bytes;
  std::optional<uint64_t> inactive_file_bytes;
  std::optional<uint64_t> kernel_bytes;
  // The most that was ever charged.
  std::optional<uint64_t> max_usage_bytes;
  // How often a charge ran into the limit.
  std::optional<uint64_t> limit_hits;
  // Faults of this cgroup alone, without those below it; v1 only.
  std::optional<uint64_t> own_page_faults;
  std::optional<uint64_t> own_major_page_faults;
};

struct PidsStats {
  std::optional<uint64_t> current;
  std::optional<uint64_t> limit;  // unset: no limit
};

struct DeviceIo {
  uint32_t major = 0;
  uint32_t minor = 0;
  uint64_t read_bytes = 0;
  uint64_t write_bytes = 0;
  uint64_t read_operations = 0;
  uint64_t write_operations = 0;

  bool operator==(const DeviceIo&) const = default;
};

// Sums over all devices, and each device.
struct IoStats {
  std::optional<uint64_t> read_bytes;
  std::optional<uint64_t> write_bytes;
  std::optional<uint64_t> read_operations;
  std::optional<uint64_t> write_operations;
  std::vector<DeviceIo> devices;
  std::optional<Pressure> pressure;
};

struct HugepageStats {
  std::string page_size;
  uint64_t usage_bytes = 0;
  std::optional<uint64_t> limit_bytes;
  std::optional<uint64_t> max_usage_bytes;
};

// How much of a Stats is read: each file costs time.
enum class Scope {
  // cpu.usage_ns, memory, and what presses.
  kUsage,
  kAll,
};

struct Stats {
  CpuStats cpu;
  MemoryStats memory;
  PidsStats pids;
  IoStats io;
  std::vector<HugepageStats> hugepages;
  // Processes that the OOM killer took.
  std::optional<uint64_t> oom_kills;
};

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_STATS_H_
