#include "server/core/publish.h"

#include <utility>

namespace gantry::core {
namespace {

// A container that is being made has no id that a client could know yet.
bool IsShown(const record::ContainerRecord& container) {
  return !container.spec().pause() &&
         container.state() != record::ContainerRecord::CREATING;
}

void Complete(const Node& node, Event& event) {
  // Here, one event after the other: later ones have no earlier time.
  event.at = node.clock.UnixNanos();
  if (event.pod == nullptr) {
    absl::StatusOr<PodPtr> pod = node.pods.Get(event.pod_id);
    if (pod.ok()) event.pod = *std::move(pod);
  }
  for (ContainerPtr& container : node.containers.List()) {
    if (container->pod_id() == event.pod_id && IsShown(*container)) {
      event.containers.push_back(std::move(container));
    }
  }
}

void Publish(Node& node, Event event) {
  node.events.Publish(std::move(event),
                      [&node](Event& e) { Complete(node, e); });
}

}  // namespace

void PublishPodEvent(Node& node, Event::Kind kind, const std::string& pod_id) {
  Event event;
  event.kind = kind;
  event.pod_id = pod_id;
  Publish(node, std::move(event));
}

void PublishPodDeleted(Node& node, PodPtr last) {
  Event event;
  event.kind = Event::Kind::kDeleted;
  event.pod_id = last->id();
  event.pod = std::move(last);
  Publish(node, std::move(event));
}

void PublishContainerEvent(Node& node, Event::Kind kind,
                           const record::ContainerRecord& container) {
  if (container.spec().pause()) return;
  Event event;
  event.kind = kind;
  event.pod_id = container.pod_id();
  event.container_id = container.id();
  Publish(node, std::move(event));
}

}  // namespace gantry::core
