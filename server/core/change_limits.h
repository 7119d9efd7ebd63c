// Limits of the cgroups of pods and containers.
//
// Blocks for cgroupfs only. Thread safety: any thread, but one caller per
// cgroup at a time: the holder of the pod's lock.

#ifndef GANTRY_SERVER_CORE_CHANGE_LIMITS_H_
#define GANTRY_SERVER_CORE_CHANGE_LIMITS_H_

#include <string>

#include "absl/status/status.h"
#include "proto/spec.pb.h"
#include "runtime/base/undo_stack.h"
#include "server/core/node.h"

namespace gantry::core {

// Whether a new cgroup could be given these limits, as far as can be told
// without the kernel. INVALID_ARGUMENT for limits that contradict each other,
// FAILED_PRECONDITION, naming the controller, for what this machine cannot do.
absl::Status CheckLimits(Node& node, const spec::Resources& resources);

// Writes what is set: all of it or, on error, nothing. `undo` takes it back.
absl::Status ChangeLimits(Node& node, const std::string& cgroup_path,
                          const spec::Resources& resources, UndoStack& undo);

// Runs `undo` after `why`, which is returned: with what could not be undone.
absl::Status TakeBack(UndoStack& undo, absl::Status why);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_CHANGE_LIMITS_H_
