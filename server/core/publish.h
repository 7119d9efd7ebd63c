// Tells subscribers of a change that is in the index already.
//
// Whoever changes a record publishes what it means, once, after the record is
// written and before anything can change it again: then the events of one
// object come in the order of its life.
// Thread safety: any thread. Nothing blocks.

#ifndef GANTRY_SERVER_CORE_PUBLISH_H_
#define GANTRY_SERVER_CORE_PUBLISH_H_

#include <string>

#include "server/core/events.h"
#include "server/core/index.h"
#include "server/core/node.h"

namespace gantry::core {

void PublishPodEvent(Node& node, Event::Kind kind, const std::string& pod_id);

// `last`: the record that the pod had.
void PublishPodDeleted(Node& node, PodPtr last);

// Nothing is told of a pause: it is no container of the client.
void PublishContainerEvent(Node& node, Event::Kind kind,
                           const record::ContainerRecord& container);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_PUBLISH_H_
