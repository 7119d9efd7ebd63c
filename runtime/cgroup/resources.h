// The limits of one cgroup, as the caller means them; the same for v1 and v2.
//
// An unset field leaves the kernel's value alone. -1 means "no limit" where a
// field says so. Source of the meanings: OCI runtime-spec, config-linux.md.
// Thread safety: plain values.

#ifndef GANTRY_RUNTIME_CGROUP_RESOURCES_H_
#define GANTRY_RUNTIME_CGROUP_RESOURCES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gantry::cgroup {

struct HugepageLimit {
  std::string page_size;  // "2MB", "1GB": <number>{KB,MB,GB}
  uint64_t limit = 0;     // bytes
};

struct DeviceWeight {
  uint32_t major = 0;
  uint32_t minor = 0;
  uint32_t weight = 0;  // 10 to 1000
};

struct DeviceRate {
  uint32_t major = 0;
  uint32_t minor = 0;
  uint64_t rate = 0;  // bytes or operations per second; 0 lifts the limit
};

struct BlockIo {
  std::optional<uint32_t> weight;  // 10 to 1000, OCI's blkio weight
  std::vector<DeviceWeight> device_weights;
  std::vector<DeviceRate> read_bps;
  std::vector<DeviceRate> write_bps;
  std::vector<DeviceRate> read_iops;
  std::vector<DeviceRate> write_iops;
};

struct InterfacePriority {
  std::string interface_name;
  uint32_t priority = 0;
};

struct Resources {
  // Bytes; -1: no limit.
  std::optional<int64_t> memory_limit;
  // Memory plus swap, in bytes; -1: no limit. Where the kernel doesn't account
  // swap, "none" (equal to memory_limit) and "no limit" are accepted without
  // effect and anything between is FAILED_PRECONDITION.
  std::optional<int64_t> memory_swap;
  // Soft limit (v1), memory.low (v2). Bytes; -1: none.
  std::optional<int64_t> memory_reservation;

  // Relative weight in v1's scale, 2 to 262144 (out of it: the nearest).
  std::optional<uint64_t> cpu_shares;
  // Microseconds of CPU time per period; -1: no limit.
  std::optional<int64_t> cpu_quota;
  // Microseconds, 1000 to 1000000.
  std::optional<uint64_t> cpu_period;

  // Lists as the kernel reads them: "0-3,8".
  std::optional<std::string> cpuset_cpus;
  std::optional<std::string> cpuset_mems;

  // Processes and threads; -1: no limit.
  std::optional<int64_t> pids_limit;

  // A limit of 0 is accepted without effect on a machine that mounts no hugetlb
  // controller; any other is FAILED_PRECONDITION there.
  std::vector<HugepageLimit> hugepage_limits;
  BlockIo block_io;

  // v1 only, where mounted; else FAILED_PRECONDITION.
  std::optional<uint32_t> net_cls_classid;
  std::vector<InterfacePriority> net_prio;

  // Files of the cgroup2 hierarchy and what to write to them, after all else.
  // FAILED_PRECONDITION if the controller isn't on a cgroup2 mount.
  std::vector<std::pair<std::string, std::string>> unified;
};

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_RESOURCES_H_
