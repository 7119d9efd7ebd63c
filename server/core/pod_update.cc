#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/undo_stack.h"
#include "server/core/change_limits.h"
#include "server/core/merge_resources.h"
#include "server/core/pod_service.h"
#include "server/core/records.h"

namespace gantry::core {

work::Task<absl::Status> PodService::UpdateResources(
    std::string id, spec::Resources overhead, spec::Resources resources) {
  co_await node_.executor.Schedule();
  CO_ASSIGN_OR_RETURN(PodPtr pod, node_.pods.Get(id));
  id = pod->id();
  work::KeyedLock::Guard guard = co_await node_.pod_locks.Acquire(id);
  CO_ASSIGN_OR_RETURN(pod, node_.pods.Get(id));
  if (pod->state() != record::PodRecord::READY) {
    co_return absl::FailedPreconditionError(
        absl::StrCat("update the resources of pod ", id, ": it is ",
                     record::PodRecord::State_Name(pod->state())));
  }
  const spec::Resources limits = PodLimits(overhead, resources);
  record::PodRecord changed = *pod;
  MergeResources(overhead, *changed.mutable_overhead());
  MergeResources(resources, *changed.mutable_resources());
  MergeResources(limits, *changed.mutable_limits());
  UndoStack undo;
  absl::Status limited = co_await ChangeLimits(node_, pod->cgroup_path(),
                                               pod->limits(), limits, undo);
  CO_RETURN_IF_ERROR(limited) << "update the resources of pod " << id;
  absl::Status saved = SaveRecord(node_, changed);
  if (!saved.ok()) co_return TakeBack(undo, saved);
  undo.Commit();
  co_return absl::OkStatus();
}

}  // namespace gantry::core
