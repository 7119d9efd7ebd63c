#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"
#include "server/core/cgroups.h"
#include "server/core/container_steps.h"
#include "server/core/pod_attach.h"
#include "server/core/pod_service.h"
#include "server/core/pod_steps.h"
#include "server/core/publish.h"
#include "server/core/records.h"

namespace gantry::core {
namespace {

// How long a cgroup may stay busy with processes that are already dead.
constexpr std::chrono::milliseconds kCgroupPatience{5000};

void KeepFirst(absl::Status& first, absl::Status status) {
  if (first.ok()) first = std::move(status);
}

// Detached, so that a namespace still in use somewhere goes when its last user
// does. Not there, or not mounted (EINVAL), is done already.
absl::Status Unmount(const std::string& path) {
  absl::Status status = sys::Umount(path, MNT_DETACH | UMOUNT_NOFOLLOW);
  int error = ErrnoOf(status);
  return error == ENOENT || error == EINVAL ? absl::OkStatus() : status;
}

}  // namespace

bool HasNamespaces(const Node& node, const record::PodRecord& pod) {
  const std::string run = node.paths.PodRun(pod.id());
  auto is_pinned = [&run](absl::string_view pin) {
    struct statfs info = {};
    const std::string path = absl::StrCat(run, "/", pin);
    if (::statfs(path.c_str(), &info) != 0) return errno != ENOENT;
    return info.f_type == NSFS_MAGIC;
  };
  return (!pod.own_network() || is_pinned(kNetworkPin)) &&
         (!pod.own_ipc() || is_pinned(kIpcPin)) &&
         (!pod.own_uts() || is_pinned(kUtsPin)) &&
         (!pod.namespaces().has_user() || is_pinned(kUserPin));
}

absl::Status UnpinNamespaces(Node& node, absl::string_view id) {
  absl::Status first;
  const std::string run = node.paths.PodRun(id);
  for (absl::string_view pin :
       {kNetworkPin, kIpcPin, kUtsPin, kUserPin, kShmDirectory}) {
    KeepFirst(first, Unmount(absl::StrCat(run, "/", pin)));
  }
  return Annotate(first, absl::StrCat("unpin the namespaces of pod ", id));
}

work::Task<absl::Status> StopPod(Node& node, record::PodRecord pod) {
  absl::Status first;
  // The pause last: its end takes the shared PID namespace along.
  std::vector<ContainerPtr> containers = ContainersOf(node, pod.id());
  std::stable_partition(
      containers.begin(), containers.end(),
      [](const ContainerPtr& container) { return !container->spec().pause(); });
  for (const ContainerPtr& container : containers) {
    absl::Status killed = co_await KillContainer(node, container->id());
    KeepFirst(first, std::move(killed));
  }
  // Namespaces stay while something of the pod may still run in them: a later
  // Stop then finds them.
  if (!first.ok()) co_return first;
  if (pod.own_network()) {
    absl::Status detached = co_await DetachPod(node, pod);
    CO_RETURN_IF_ERROR(detached);
  }
  co_return UnpinNamespaces(node, pod.id());
}

work::Task<absl::Status> RemovePod(Node& node, record::PodRecord pod) {
  const bool was_ready = pod.state() == record::PodRecord::READY;
  if (pod.state() != record::PodRecord::REMOVING) {
    pod.set_state(record::PodRecord::REMOVING);
    // What is removed makes room: a full disk is no reason to keep it.
    KeepRecord(node, pod);
  }
  absl::Status stopped = co_await StopPod(node, pod);
  CO_RETURN_IF_ERROR(stopped);
  if (was_ready) PublishPodEvent(node, Event::Kind::kStopped, pod.id());
  for (const ContainerPtr& container : ContainersOf(node, pod.id())) {
    absl::Status removed = co_await RemoveContainer(node, container->id());
    CO_RETURN_IF_ERROR(removed);
  }
  absl::Status ungrouped =
      co_await OnCgroup(node, pod.cgroup_path(), [&node, &pod] {
        return RemoveCgroup(node, pod.cgroup_path(), kCgroupPatience);
      });
  CO_RETURN_IF_ERROR(ungrouped);
  CO_ASSIGN_OR_RETURN(UniqueFd runs, sys::OpenAt(AT_FDCWD, node.paths.PodRuns(),
                                                 O_RDONLY | O_DIRECTORY));
  CO_RETURN_IF_ERROR(sys::RemoveTreeAt(runs.get(), pod.id()));
  co_return RemovePodRecord(node, pod.id());
}

work::Task<absl::Status> PodService::Stop(std::string id) {
  co_await node_.executor.Schedule();
  absl::StatusOr<PodPtr> found = node_.pods.Get(id);
  if (absl::IsNotFound(found.status())) co_return absl::OkStatus();
  CO_RETURN_IF_ERROR(found);
  id = (*found)->id();
  work::KeyedLock::Guard guard = co_await node_.pod_locks.Acquire(id);
  found = node_.pods.Get(id);
  if (!found.ok()) co_return absl::OkStatus();
  record::PodRecord pod = **found;
  if (pod.state() == record::PodRecord::REMOVING) co_return absl::OkStatus();

  // Even a pod noted as stopped: a Stop that was cut short is finished here.
  absl::Status stopped = co_await StopPod(node_, pod);
  CO_RETURN_IF_ERROR(stopped) << "stop pod " << id;
  if (pod.state() == record::PodRecord::NOT_READY) co_return absl::OkStatus();
  pod.set_state(record::PodRecord::NOT_READY);
  pod.clear_ips();
  KeepRecord(node_, pod);
  PublishPodEvent(node_, Event::Kind::kStopped, id);
  co_return absl::OkStatus();
}

work::Task<absl::Status> PodService::Remove(std::string id) {
  co_await node_.executor.Schedule();
  absl::StatusOr<PodPtr> found = node_.pods.Get(id);
  if (absl::IsNotFound(found.status())) co_return absl::OkStatus();
  CO_RETURN_IF_ERROR(found);
  id = (*found)->id();
  work::KeyedLock::Guard guard = co_await node_.pod_locks.Acquire(id);
  found = node_.pods.Get(id);
  if (!found.ok()) co_return absl::OkStatus();
  absl::Status removed = co_await RemovePod(node_, **found);
  CO_RETURN_IF_ERROR(removed) << "remove pod " << id;
  record::PodRecord last = **found;
  last.set_state(record::PodRecord::NOT_READY);
  last.clear_ips();
  PublishPodDeleted(node_, std::make_shared<const record::PodRecord>(last));
  co_return absl::OkStatus();
}

}  // namespace gantry::core
