#include "server/core/container_steps.h"

#include <utility>

#include "runtime/base/status.h"
#include "server/core/records.h"

namespace gantry::core {

work::Task<absl::Status> UpdateRecord(Node& node, std::string id,
                                      RecordChange change) {
  work::KeyedLock::Guard guard = co_await node.record_locks.Acquire(id);
  CO_ASSIGN_OR_RETURN(ContainerPtr current, node.containers.Get(id));
  record::ContainerRecord changed = *current;
  change(changed);
  co_return SaveRecord(node, changed);
}

std::vector<ContainerPtr> ContainersOf(Node& node, absl::string_view pod_id) {
  std::vector<ContainerPtr> containers = node.containers.List();
  std::erase_if(containers, [pod_id](const ContainerPtr& container) {
    return container->pod_id() != pod_id;
  });
  return containers;
}

}  // namespace gantry::core
