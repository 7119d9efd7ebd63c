// What pods and containers use: cgroup counters, network counters, writable
// layers.
//
// Read by the server from cgroup files and over netlink; no shim is asked. What
// is kept open for that, and between reads, goes when the pod or container
// ends. Thread safety: all methods from any thread.

#ifndef GANTRY_SERVER_CORE_STATS_H_
#define GANTRY_SERVER_CORE_STATS_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/stats.h"
#include "runtime/net/link_stats/link_stats.h"
#include "server/core/cpu_rates.h"
#include "server/core/events.h"
#include "server/core/index.h"
#include "server/core/layer_usage.h"
#include "server/core/link_counters.h"
#include "server/core/node.h"
#include "server/core/process_counts.h"
#include "server/core/stats_readers.h"
#include "server/work/task.h"

namespace gantry::core {

// What a cgroup has counted, and when.
struct CgroupStats {
  int64_t at = 0;  // ns since the epoch
  cgroup::Stats counters;
  // CPU time per second between two reads; unset at the first one.
  std::optional<uint64_t> usage_nano_cores;
};

struct ContainerStats {
  ContainerPtr container;
  // Unset unless the container runs.
  std::optional<CgroupStats> cgroup;
  // Only with Scope::kAll, of a container that runs.
  std::optional<ProcessCounts> processes;
  // Of its first process; unset if it may open any number.
  std::optional<uint64_t> open_files_limit;
  // Unset if it cannot be measured.
  std::optional<MeasuredLayer> writable_layer;
};

struct PodStats {
  PodPtr pod;
  // When the rest was read, ns since the epoch.
  int64_t at = 0;
  // Of the pod's cgroup, with all that is below it. Unset once it is gone.
  std::optional<CgroupStats> cgroup;
  std::optional<uint64_t> process_count;
  // All interfaces; unset without a network namespace of its own.
  std::optional<std::vector<net::LinkStats>> links;
  // Those that run.
  std::vector<ContainerStats> containers;
};

// What writable layers lie on.
struct LayersFilesystem {
  // "/dev/sda1"; "MAJOR:MINOR" of what is no block device.
  std::string device;
  uint64_t bytes = 0;
  uint64_t inodes = 0;
  uint64_t free_inodes = 0;
};

class StatsService {
 public:
  explicit StatsService(Node& node);

  // Also of a container that does not run: its writable layer.
  work::Task<absl::StatusOr<ContainerStats>> Of(ContainerPtr container,
                                                cgroup::Scope scope);

  absl::StatusOr<LayersFilesystem> Filesystem() const;

  // Also of a pod that is not READY: what there still is.
  work::Task<absl::StatusOr<PodStats>> Of(PodPtr pod, cgroup::Scope scope);

 private:
  // Unset if there is no such cgroup (any more).
  absl::StatusOr<std::optional<CgroupStats>> ReadCgroup(const std::string& id,
                                                        const std::string& path,
                                                        cgroup::Scope scope);
  // Of the cgroup at `path` and those below it.
  std::vector<pid_t> Processes(const std::string& path) const;
  void Forget(const Event& event);

  Node& node_;
  const UniqueFd proc_;
  StatsReaders readers_;
  LinkCounters links_;
  CpuRates rates_;
  LayerUsage layers_;
  // Last: what it calls must be there.
  std::shared_ptr<const EventBus::Watcher> watch_;
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_STATS_H_
