#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/undo_stack.h"
#include "runtime/base/unique_fd.h"
#include "server/core/change_limits.h"
#include "server/core/container_log.h"
#include "server/core/container_service.h"
#include "server/core/container_steps.h"
#include "server/core/merge_resources.h"
#include "server/core/running_shim.h"

namespace gantry::core {
work::Task<absl::Status> ContainerService::Update(std::string id,
                                                  spec::Resources resources) {
  co_await node_.executor.Schedule();
  CO_ASSIGN_OR_RETURN(ContainerPtr container, node_.containers.Get(id));
  id = container->id();
  work::KeyedLock::Guard guard =
      co_await node_.pod_locks.Acquire(container->pod_id());
  CO_ASSIGN_OR_RETURN(container, node_.containers.Get(id));
  if (container->state() != record::ContainerRecord::CREATED &&
      container->state() != record::ContainerRecord::RUNNING) {
    co_return absl::FailedPreconditionError(
        absl::StrCat("update container ", id, ": it is ",
                     record::ContainerRecord::State_Name(container->state())));
  }
  // All or nothing: what the cgroup was given is taken back if the record,
  // which a restart goes by, cannot be written.
  UndoStack undo;
  if (container->state() == record::ContainerRecord::RUNNING) {
    absl::Status changed =
        co_await ChangeLimits(node_, container->spec().cgroup_path(),
                              container->spec().resources(), resources, undo);
    CO_RETURN_IF_ERROR(changed) << "update container " << id;
  } else {
    spec::Resources merged = container->spec().resources();
    MergeResources(resources, merged);
    CO_RETURN_IF_ERROR(CheckLimits(node_, merged)) << "update container " << id;
  }
  RecordChange merge = [&resources](record::ContainerRecord& record) {
    MergeResources(resources, *record.mutable_spec()->mutable_resources());
  };
  absl::Status saved = co_await UpdateRecord(node_, id, std::move(merge));
  if (!saved.ok()) co_return TakeBack(undo, saved);
  undo.Commit();
  co_return absl::OkStatus();
}

work::Task<absl::Status> ContainerService::ReopenLog(std::string id) {
  co_await node_.executor.Schedule();
  CO_ASSIGN_OR_RETURN(ContainerPtr container, node_.containers.Get(id));
  id = container->id();
  CO_ASSIGN_OR_RETURN(Shims::Ptr shim, RunningShim(node_, *container),
                      absl::StrCat("reopen the log of container ", id));
  const std::string& path = container->spec().stdio().log_path();
  if (path.empty()) {
    co_return absl::FailedPreconditionError(
        absl::StrCat("reopen the log of container ", id, ": it has no log"));
  }
  CO_ASSIGN_OR_RETURN(UniqueFd log, OpenContainerLog(path));
  absl::Status reopened = co_await shim->ReopenLog(std::move(log));
  co_return Annotate(reopened,
                     absl::StrCat("reopen the log of container ", id));
}

absl::StatusOr<ContainerPtr> ContainerService::Get(
    absl::string_view id_or_prefix) const {
  ASSIGN_OR_RETURN(ContainerPtr container, node_.containers.Get(id_or_prefix));
  // A pod's pause is a matter of its pod, not a container of anybody's.
  if (container->spec().pause()) {
    return absl::NotFoundError(
        absl::StrCat("container ", id_or_prefix, " does not exist"));
  }
  return container;
}

std::vector<ContainerPtr> ContainerService::List() const {
  std::vector<ContainerPtr> containers = node_.containers.List();
  std::erase_if(containers, [](const ContainerPtr& container) {
    return container->spec().pause();
  });
  return containers;
}

}  // namespace gantry::core
