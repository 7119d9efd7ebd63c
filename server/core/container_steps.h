// Steps on containers that pods and containers share. The caller holds the
// lock of the container's pod; the container's record has a lock of its own
// (UpdateRecord), because its end is noted down whoever holds the pod.

#ifndef GANTRY_SERVER_CORE_CONTAINER_STEPS_H_
#define GANTRY_SERVER_CORE_CONTAINER_STEPS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/record.pb.h"
#include "server/core/index.h"
#include "server/core/node.h"
#include "server/core/steps.h"
#include "server/work/task.h"

namespace gantry::core {

using RecordChange = std::function<void(record::ContainerRecord&)>;

// Reads, changes and writes one container's record as one step, on disk and in
// the index, and tells subscribers of a start or an end that it means.
// NOT_FOUND if it is gone.
// A change that captures more than numbers and references is given a name
// before it is passed: GCC 12 destroys such temporaries of a co_await twice.
work::Task<absl::Status> UpdateRecord(Node& node, std::string id,
                                      RecordChange change);

// The same of what has happened (KeepRecord): no error but NOT_FOUND.
work::Task<absl::Status> NoteInRecord(Node& node, std::string id,
                                      RecordChange change);

// Makes the container's processes: CREATED to RUNNING, or to EXITED with
// reason StartError, of which nothing but the record and the writable layer
// remains then.
work::Task<absl::Status> LaunchContainer(Node& node, std::string id,
                                         StepScope steps);

// Kills everything of the container and waits until its end is noted down.
// OK if it does not run. DEADLINE_EXCEEDED if the kernel keeps it alive.
work::Task<absl::Status> KillContainer(Node& node, std::string id);

// Kills and removes the cgroup at `path`, and its unit: what a container whose
// shim is lost, or did not undo its start, leaves behind. One that is not there
// is OK.
work::Task<absl::Status> KillRemains(Node& node, std::string path);

// Kills it if need be; then nothing of it remains. Unknown is OK.
work::Task<absl::Status> RemoveContainer(Node& node, std::string id);

// All containers of a pod, its pause included.
std::vector<ContainerPtr> ContainersOf(Node& node, absl::string_view pod_id);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_CONTAINER_STEPS_H_
