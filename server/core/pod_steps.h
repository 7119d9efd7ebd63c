// Making and taking down what a pod consists of. Each step finds out by itself
// what is there, so that Stop, Remove, a failed Run and the start of the server
// share them. The caller holds the pod's lock.

#ifndef GANTRY_SERVER_CORE_POD_STEPS_H_
#define GANTRY_SERVER_CORE_POD_STEPS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/record.pb.h"
#include "server/core/node.h"
#include "server/core/requests.h"
#include "server/core/steps.h"
#include "server/work/task.h"

namespace gantry::core {

// Everything before the state READY, its record among it. On an error some of
// it is there: the caller takes it down.
work::Task<absl::Status> MakePod(Node& node, record::PodRecord& pod,
                                 const PodRequest& request, StepScope steps);

// The container that holds a shared PID namespace: makes it, runs it and notes
// its id in `pod`.
work::Task<absl::Status> RunPause(Node& node, record::PodRecord& pod,
                                  StepScope steps);

// Kills the pod's containers (they stay, EXITED), then gives up network and
// namespaces. Goes on after an error and returns the first.
work::Task<absl::Status> StopPod(Node& node, record::PodRecord pod);

// StopPod, then containers, cgroup, run directory, and last the record.
work::Task<absl::Status> RemovePod(Node& node, record::PodRecord pod);

// Whether the namespaces that the pod has for itself are pinned (still).
// Unknown counts as so.
bool HasNamespaces(const Node& node, const record::PodRecord& pod);

// Unmounts the namespaces pinned below the run directory of pod `id` and its
// shared memory. What is not there is OK.
absl::Status UnpinNamespaces(Node& node, absl::string_view id);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_POD_STEPS_H_
