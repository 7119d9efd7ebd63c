#include "server/core/stats.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <string>
#include <utility>

#include "glog/logging.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/stats_reader.h"
#include "runtime/rootfs/usage.h"
#include "runtime/sys/file.h"
#include "server/core/device_names.h"

namespace gantry::core {
namespace {

// Of the descriptors that this process may have: how many are kept for
// cgroups, and for sockets in pods.
constexpr size_t kCgroupShare = 4;
constexpr size_t kSocketShare = 16;
constexpr size_t kMostFds = 65536;

size_t MaxFds(size_t share) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return std::min<size_t>(limit.rlim_cur, kMostFds) / share;
}

// Not there, nothing is known of processes.
UniqueFd OpenProc() {
  absl::StatusOr<UniqueFd> proc =
      sys::OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
  return proc.ok() ? *std::move(proc) : UniqueFd();
}

}  // namespace

StatsService::StatsService(Node& node)
    : node_(node),
      proc_(OpenProc()),
      readers_(node.cgroups, MaxFds(kCgroupShare)),
      links_(node.paths, node.pods, MaxFds(kSocketShare)),
      layers_(node),
      watch_(node.events.Watch([this](const Event& event) { Forget(event); })) {
}

void StatsService::Forget(const Event& event) {
  if (event.kind != Event::Kind::kStopped &&
      event.kind != Event::Kind::kDeleted) {
    return;
  }
  const bool of_pod = event.container_id.empty();
  const std::string& id = of_pod ? event.pod_id : event.container_id;
  readers_.Forget(id);
  rates_.Forget(id);
  if (of_pod) links_.Forget(id);
  // What a stopped one has written is still there.
  if (event.kind == Event::Kind::kDeleted) layers_.Forget(id);
}

absl::StatusOr<std::optional<CgroupStats>> StatsService::ReadCgroup(
    const std::string& id, const std::string& path, cgroup::Scope scope) {
  absl::StatusOr<StatsReaders::Ptr> reader = readers_.Get(id, path);
  if (absl::IsNotFound(reader.status())) return std::nullopt;
  RETURN_IF_ERROR(reader);
  CgroupStats stats;
  stats.at = node_.clock.UnixNanos();
  const int64_t boot_at = node_.clock.BootNanos();
  absl::StatusOr<cgroup::Stats> counters = (*reader)->Read(scope);
  if (absl::IsNotFound(counters.status())) {
    readers_.Forget(id);
    return std::nullopt;
  }
  RETURN_IF_ERROR(counters);
  stats.counters = *std::move(counters);
  if (stats.counters.cpu.usage_ns.has_value()) {
    stats.usage_nano_cores =
        rates_.Note(id, *stats.counters.cpu.usage_ns, boot_at);
  }
  return stats;
}

absl::StatusOr<LayersFilesystem> StatsService::Filesystem() const {
  ASSIGN_OR_RETURN(UniqueFd dir,
                   sys::OpenAt(AT_FDCWD, node_.paths.ContainerRecords(),
                               O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(struct stat node, sys::StatFd(dir.get()));
  ASSIGN_OR_RETURN(rootfs::Capacity capacity,
                   rootfs::FilesystemCapacity(dir.get()));
  return LayersFilesystem{
      .device = BlockDeviceName(major(node.st_dev), minor(node.st_dev)),
      .bytes = capacity.bytes,
      .inodes = capacity.inodes,
      .free_inodes = capacity.free_inodes};
}

std::vector<pid_t> StatsService::Processes(const std::string& path) const {
  absl::StatusOr<cgroup::StatsReader> reader =
      cgroup::StatsReader::For(node_.cgroups, path);
  if (!reader.ok()) return {};
  absl::StatusOr<std::vector<pid_t>> pids = reader->Processes();
  return pids.ok() ? *std::move(pids) : std::vector<pid_t>();
}

work::Task<absl::StatusOr<ContainerStats>> StatsService::Of(
    ContainerPtr container, cgroup::Scope scope) {
  ContainerStats stats;
  stats.container = container;
  const std::string& id = container->id();
  absl::StatusOr<MeasuredLayer> layer = co_await layers_.Of(id);
  if (layer.ok()) stats.writable_layer = *layer;
  if (container->state() != record::ContainerRecord::RUNNING) co_return stats;
  CO_ASSIGN_OR_RETURN(stats.cgroup,
                      ReadCgroup(id, container->spec().cgroup_path(), scope));
  if (scope == cgroup::Scope::kAll && stats.cgroup.has_value()) {
    stats.processes =
        CountProcesses(proc_.get(), Processes(container->spec().cgroup_path()));
    stats.open_files_limit =
        OpenFilesLimit(proc_.get(), container->started().pid());
  }
  // Ended meanwhile: its end may have been seen before the reads above.
  absl::StatusOr<ContainerPtr> now = node_.containers.Get(id);
  if (!now.ok() || (*now)->state() != record::ContainerRecord::RUNNING) {
    readers_.Forget(id);
    rates_.Forget(id);
  }
  co_return stats;
}

work::Task<absl::StatusOr<PodStats>> StatsService::Of(PodPtr pod,
                                                      cgroup::Scope scope) {
  PodStats stats;
  stats.pod = pod;
  CO_ASSIGN_OR_RETURN(stats.cgroup,
                      ReadCgroup(pod->id(), pod->cgroup_path(), scope));
  stats.at = node_.clock.UnixNanos();
  if (stats.cgroup.has_value()) {
    stats.process_count = Processes(pod->cgroup_path()).size();
  }
  if (pod->own_network() && pod->state() == record::PodRecord::READY) {
    absl::StatusOr<std::vector<net::LinkStats>> links = links_.Read(*pod);
    // Stopped meanwhile, or its namespace is broken: the rest is told.
    LOG_IF(WARNING, !links.ok() && !absl::IsNotFound(links.status()))
        << "pod " << pod->id() << ": " << links.status();
    if (links.ok()) stats.links = *std::move(links);
  }
  for (ContainerPtr& container : node_.containers.List()) {
    if (container->pod_id() != pod->id() || container->spec().pause() ||
        container->state() != record::ContainerRecord::RUNNING) {
      continue;
    }
    absl::StatusOr<ContainerStats> measured = co_await Of(container, scope);
    if (measured.ok()) stats.containers.push_back(*std::move(measured));
  }
  absl::StatusOr<PodPtr> now = node_.pods.Get(pod->id());
  if (!now.ok() || (*now)->state() != record::PodRecord::READY) {
    readers_.Forget(pod->id());
    rates_.Forget(pod->id());
  }
  co_return stats;
}

}  // namespace gantry::core
