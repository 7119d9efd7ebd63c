// The end of a container: awaited while it runs, noted down once.

#ifndef GANTRY_SERVER_CORE_CONTAINER_END_H_
#define GANTRY_SERVER_CORE_CONTAINER_END_H_

#include <string>

#include "absl/strings/string_view.h"
#include "proto/record.pb.h"
#include "proto/shim.pb.h"
#include "server/core/node.h"
#include "server/work/task.h"

namespace gantry::core {

// Has the end of a RUNNING container noted down when `client` reports it, or
// when its shim is lost. Returns at once.
void AwaitEnd(Node& node, std::string id, Shims::Ptr client);

// Notes the end down: record, event, those who wait. A lost shim's container
// is killed first. A container that has ended already stays as it is.
work::Task<void> NoteEnd(Node& node, std::string id,
                         shim_client::ExitOutcome outcome);

// "Completed", "Error" or "OOMKilled", as ContainerStatus.reason. Pure.
absl::string_view ReasonOf(const shim::Exited& exited);

// How the record of a container whose shim vanished without a word ends. Pure.
void SetShimLost(record::ContainerRecord& container, int64_t now);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_CONTAINER_END_H_
