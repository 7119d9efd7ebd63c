#include "server/core/records.h"

#include "runtime/base/status.h"

namespace gantry::core {

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
