#include "server/core/records.h"

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "server/work/task.h"

namespace gantry::core {
namespace {

// Until what the disk did not take is tried again.
constexpr absl::Duration kPause = absl::Seconds(1);

// Whether it is on disk now, or there is nothing left to be written.
template <typename Record>
bool WriteAgain(Node& node, Index<Record>& index, const std::string& id) {
  absl::StatusOr<typename Index<Record>::Ptr> current = index.Get(id);
  if (!current.ok()) return true;
  const absl::Status saved = SaveRecord(node, **current);
  // Somebody else has removed its directory.
  if (absl::IsNotFound(saved)) LOG(ERROR) << saved;
  if (saved.ok()) LOG(INFO) << "the record of " << id << " is written now";
  return saved.ok() || absl::IsNotFound(saved);
}

void AwaitRound(Node& node);

work::Task<void> WriteUnsaved(Node& node) {
  co_await node.executor.Schedule();
  UnsavedRecords::Ids left;
  const UnsavedRecords::Ids unsaved = node.unsaved->Take();
  for (const std::string& id : unsaved.pods) {
    work::KeyedLock::Guard guard = co_await node.pod_locks.Acquire(id);
    if (!WriteAgain(node, node.pods, id)) left.pods.insert(id);
  }
  for (const std::string& id : unsaved.containers) {
    absl::StatusOr<ContainerPtr> container = node.containers.Get(id);
    if (!container.ok()) continue;
    // The pod's, too: a removal is not to be written into.
    work::KeyedLock::Guard guard =
        co_await node.pod_locks.Acquire((*container)->pod_id());
    work::KeyedLock::Guard record_guard =
        co_await node.record_locks.Acquire(id);
    if (!WriteAgain(node, node.containers, id)) left.containers.insert(id);
  }
  if (node.unsaved->EndRound(std::move(left))) AwaitRound(node);
}

void AwaitRound(Node& node) {
  node.loop
      .SetTimeout(kPause,
                  [&node, unsaved = node.unsaved] {
                    unsaved->BeginRound(
                        [&node] { node.tasks.Start(WriteUnsaved(node)); });
                  })
      .Detach();
}

void NoteUnsaved(const std::string& id, const absl::Status& why) {
  LOG(ERROR) << why << "; what became of " << id
             << " is known here, and written as soon as the disk takes it";
}

}  // namespace

absl::Status CreateRecord(Node& node, const record::PodRecord& pod) {
  RETURN_IF_ERROR(node.pod_records.Create(pod.id(), pod.SerializeAsString()))
      << "write the record of pod " << pod.id();
  node.pods.Put(pod);
  return absl::OkStatus();
}

absl::Status CreateRecord(Node& node,
                          const record::ContainerRecord& container) {
  RETURN_IF_ERROR(node.container_records.Create(container.id(),
                                                container.SerializeAsString()))
      << "write the record of container " << container.id();
  node.containers.Put(container);
  return absl::OkStatus();
}

absl::Status SaveRecord(Node& node, const record::PodRecord& pod) {
  RETURN_IF_ERROR(node.pod_records.Write(pod.id(), pod.SerializeAsString()))
      << "write the record of pod " << pod.id();
  node.pods.Put(pod);
  return absl::OkStatus();
}

absl::Status SaveRecord(Node& node, const record::ContainerRecord& container) {
  RETURN_IF_ERROR(node.container_records.Write(container.id(),
                                               container.SerializeAsString()))
      << "write the record of container " << container.id();
  node.containers.Put(container);
  return absl::OkStatus();
}

void KeepRecord(Node& node, const record::PodRecord& pod) {
  const absl::Status saved = SaveRecord(node, pod);
  if (saved.ok()) return;
  NoteUnsaved(pod.id(), saved);
  node.pods.Put(pod);
  if (node.unsaved->AddPod(pod.id())) AwaitRound(node);
}

void KeepRecord(Node& node, const record::ContainerRecord& container) {
  const absl::Status saved = SaveRecord(node, container);
  if (saved.ok()) return;
  NoteUnsaved(container.id(), saved);
  node.containers.Put(container);
  if (node.unsaved->AddContainer(container.id())) AwaitRound(node);
}

absl::Status RemovePodRecord(Node& node, absl::string_view id) {
  RETURN_IF_ERROR(node.pod_records.Remove(id))
      << "remove the record of pod " << id;
  node.pods.Erase(id);
  return absl::OkStatus();
}

absl::Status RemoveContainerRecord(Node& node, absl::string_view id) {
  RETURN_IF_ERROR(node.container_records.Remove(id))
      << "remove the record of container " << id;
  node.containers.Erase(id);
  return absl::OkStatus();
}

}  // namespace gantry::core
