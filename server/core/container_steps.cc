#include "server/core/container_steps.h"

#include <optional>
#include <utility>

#include "runtime/base/status.h"
#include "server/core/cgroups.h"
#include "server/core/publish.h"
#include "server/core/records.h"

namespace gantry::core {
namespace {

// How long a cgroup may stay busy with processes that are already dead.
constexpr std::chrono::milliseconds kCgroupPatience{5000};

using State = record::ContainerRecord::State;

// What a change of state means to those who follow containers.
std::optional<Event::Kind> EventOf(State from, State to) {
  if (from == to) return std::nullopt;
  if (to == record::ContainerRecord::RUNNING) return Event::Kind::kStarted;
  if (to == record::ContainerRecord::EXITED) return Event::Kind::kStopped;
  return std::nullopt;
}

enum class Need { kOnDisk, kKnown };

work::Task<absl::Status> Change(Node& node, std::string id, RecordChange change,
                                Need need) {
  work::KeyedLock::Guard guard = co_await node.record_locks.Acquire(id);
  CO_ASSIGN_OR_RETURN(ContainerPtr current, node.containers.Get(id));
  record::ContainerRecord changed = *current;
  change(changed);
  if (need == Need::kOnDisk) {
    CO_RETURN_IF_ERROR(SaveRecord(node, changed));
  } else {
    KeepRecord(node, changed);
  }
  // Before the lock is free: the next change's event comes after this one.
  if (const auto kind = EventOf(current->state(), changed.state())) {
    PublishContainerEvent(node, *kind, changed);
  }
  co_return absl::OkStatus();
}

}  // namespace

work::Task<absl::Status> KillRemains(Node& node, std::string path) {
  co_return co_await work::RunOn(
      node.blocking_executor, node.executor, [&node, &path]() -> absl::Status {
        RETURN_IF_ERROR(KillAllIn(node, path));
        return RemoveCgroup(node, path, kCgroupPatience);
      });
}

work::Task<absl::Status> UpdateRecord(Node& node, std::string id,
                                      RecordChange change) {
  return Change(node, std::move(id), std::move(change), Need::kOnDisk);
}

work::Task<absl::Status> NoteInRecord(Node& node, std::string id,
                                      RecordChange change) {
  return Change(node, std::move(id), std::move(change), Need::kKnown);
}

std::vector<ContainerPtr> ContainersOf(Node& node, absl::string_view pod_id) {
  std::vector<ContainerPtr> containers = node.containers.List();
  std::erase_if(containers, [pod_id](const ContainerPtr& container) {
    return container->pod_id() != pod_id;
  });
  return containers;
}

}  // namespace gantry::core
