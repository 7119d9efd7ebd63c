#include "server/core/stats.h"

#include <utility>

#include "runtime/base/status.h"
#include "runtime/cgroup/stats_reader.h"

namespace gantry::core {
namespace {

// A walk of a large writable layer is not repeated for every poll.
constexpr int64_t kWalkNanos = 10'000'000'000;

}  // namespace

work::Task<rootfs::Usage> StatsService::WritableLayer(std::string id) {
  const int64_t now = node_.clock.BootNanos();
  {
    absl::MutexLock lock(&mutex_);
    auto known = layers_.find(id);
    if (known != layers_.end() && now - known->second.at < kWalkNanos) {
      co_return known->second.usage;
    }
  }
  absl::StatusOr<rootfs::Usage> usage = co_await work::RunOn(
      node_.blocking_executor, node_.executor,
      [this, &id] { return node_.snapshotter.UsageOf(id); });
  absl::MutexLock lock(&mutex_);
  // Those of containers that have gone are forgotten now and then.
  if (layers_.size() > 2 * node_.containers.List().size() + 16) layers_.clear();
  if (usage.ok()) layers_[id] = {now, *usage};
  co_return usage.ok() ? *usage : rootfs::Usage{};
}

work::Task<absl::StatusOr<ContainerStats>> StatsService::Of(
    ContainerPtr container) {
  ContainerStats stats;
  stats.container = container;
  stats.writable_layer = co_await WritableLayer(container->id());
  stats.at = node_.clock.UnixNanos();
  if (container->state() == record::ContainerRecord::RUNNING) {
    CO_ASSIGN_OR_RETURN(cgroup::StatsReader reader,
                        cgroup::StatsReader::For(
                            node_.cgroups, container->spec().cgroup_path()));
    absl::StatusOr<cgroup::Stats> read = reader.Read();
    // Ended meanwhile: no counters, as if it had ended before.
    if (read.ok()) {
      stats.cgroup = *std::move(read);
    } else if (!absl::IsNotFound(read.status())) {
      co_return read.status();
    }
  }
  co_return stats;
}

}  // namespace gantry::core
