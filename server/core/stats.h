// What containers use: cgroup counters and writable layers.
//
// Read by the server from the cgroup files; no shim is asked. The size of a
// writable layer is walked at most every few seconds and kept meanwhile.
// Thread safety: all methods from any thread.

#ifndef GANTRY_SERVER_CORE_STATS_H_
#define GANTRY_SERVER_CORE_STATS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "runtime/cgroup/stats.h"
#include "runtime/rootfs/usage.h"
#include "server/core/index.h"
#include "server/core/node.h"
#include "server/work/task.h"

namespace gantry::core {

struct ContainerStats {
  ContainerPtr container;
  int64_t at = 0;  // ns since the epoch
  // Absent unless the container runs.
  std::optional<cgroup::Stats> cgroup;
  rootfs::Usage writable_layer;
};

class StatsService {
 public:
  explicit StatsService(Node& node) : node_(node) {}

  // Also of a container that does not run: its writable layer.
  work::Task<absl::StatusOr<ContainerStats>> Of(ContainerPtr container);

 private:
  struct Measured {
    int64_t at = 0;
    rootfs::Usage usage;
  };
  work::Task<rootfs::Usage> WritableLayer(std::string id);

  Node& node_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Measured> layers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_STATS_H_
