#include <fcntl.h>

#include <string>
#include <utility>

#include "glog/logging.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "server/core/cgroups.h"
#include "server/core/container_service.h"
#include "server/core/container_steps.h"
#include "server/core/layers_in_use.h"
#include "server/core/publish.h"
#include "server/core/records.h"

namespace gantry::core {
namespace {

constexpr std::chrono::milliseconds kCgroupPatience{5000};
// A shim ends right after its last word; it still has the cgroup to remove.
constexpr absl::Duration kShimPatience = absl::Seconds(5);

// A pod whose record was damaged cannot be removed any more: its cgroup goes
// with the last of its containers.
absl::Status RemoveOrphanedPodCgroup(Node& node,
                                     const record::ContainerRecord& container) {
  if (node.pods.Get(container.pod_id()).ok() ||
      ContainersOf(node, container.pod_id()).size() > 1) {
    return absl::OkStatus();
  }
  return RemoveCgroup(node, PodCgroupOf(container.spec().cgroup_path()),
                      kCgroupPatience);
}

// The layers of an image that was removed stay for its containers only.
void RemoveLayersOfGoneImages(Node& node,
                              const record::ContainerRecord& container) {
  if (node.images.HaveLayers(container.layer_diff_ids())) return;
  absl::Status collected =
      node.images.CollectGarbage(LayersInUse(node.containers));
  LOG_IF(ERROR, !collected.ok()) << "remove the layers below container "
                                 << container.id() << ": " << collected;
}

absl::Status RemoveRemains(Node& node,
                           const record::ContainerRecord& container) {
  // The shim has removed the cgroup unless it was killed.
  RETURN_IF_ERROR(
      RemoveCgroup(node, container.spec().cgroup_path(), kCgroupPatience));
  RETURN_IF_ERROR(RemoveOrphanedPodCgroup(node, container));
  ASSIGN_OR_RETURN(UniqueFd runs,
                   sys::OpenAt(AT_FDCWD, node.paths.ContainerRuns(),
                               O_RDONLY | O_DIRECTORY));
  RETURN_IF_ERROR(sys::RemoveTreeAt(runs.get(), container.id()));
  RETURN_IF_ERROR(node.snapshotter.Remove(container.id()));
  RETURN_IF_ERROR(RemoveContainerRecord(node, container.id()));
  RemoveLayersOfGoneImages(node, container);
  return absl::OkStatus();
}

}  // namespace

work::Task<absl::Status> RemoveContainer(Node& node, std::string id) {
  absl::StatusOr<ContainerPtr> container = node.containers.Get(id);
  if (!container.ok()) co_return absl::OkStatus();
  Shims::Ptr shim = node.shims.Get(id);
  absl::Status killed = co_await KillContainer(node, id);
  CO_RETURN_IF_ERROR(killed);
  if (shim != nullptr) {
    absl::Status gone = co_await shim->WaitGone(kShimPatience);
    if (!gone.ok()) {
      // It may have no room for its exit record, which nobody needs any more.
      shim->KillShim();
      gone = co_await shim->WaitGone(kShimPatience);
    }
    CO_RETURN_IF_ERROR(gone);
  }
  absl::Status removing =
      co_await NoteInRecord(node, id, [](record::ContainerRecord& record) {
        record.set_state(record::ContainerRecord::REMOVING);
      });
  CO_RETURN_IF_ERROR(removing);
  absl::Status removed = co_await work::RunOn(
      node.blocking_executor, node.executor,
      [&node, &container] { return RemoveRemains(node, **container); });
  CO_RETURN_IF_ERROR(removed);
  // Nobody was told of one whose create failed.
  if ((*container)->state() != record::ContainerRecord::CREATING) {
    PublishContainerEvent(node, Event::Kind::kDeleted, **container);
  }
  co_return absl::OkStatus();
}

work::Task<absl::Status> ContainerService::Remove(std::string id) {
  co_await node_.executor.Schedule();
  absl::StatusOr<ContainerPtr> found = node_.containers.Get(id);
  if (absl::IsNotFound(found.status())) co_return absl::OkStatus();
  CO_RETURN_IF_ERROR(found);
  id = (*found)->id();
  const std::string pod_id = (*found)->pod_id();
  work::KeyedLock::Guard guard = co_await node_.pod_locks.Acquire(pod_id);
  absl::Status removed = co_await RemoveContainer(node_, id);
  co_return Annotate(removed, absl::StrCat("remove container ", id));
}

}  // namespace gantry::core
