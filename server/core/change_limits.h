// Limits of the cgroups of pods and containers.
//
// Blocks for cgroupfs, and where the cgroup is systemd's for that. Thread
// safety: any thread, but one caller per cgroup at a time: the holder of the
// pod's lock.

#ifndef GANTRY_SERVER_CORE_CHANGE_LIMITS_H_
#define GANTRY_SERVER_CORE_CHANGE_LIMITS_H_

#include <string>

#include "absl/status/status.h"
#include "proto/spec.pb.h"
#include "runtime/base/undo_stack.h"
#include "server/core/node.h"
#include "server/work/task.h"

namespace gantry::core {

// Whether a new cgroup could be given these limits, as far as can be told
// without the kernel. INVALID_ARGUMENT for limits that contradict each other,
// FAILED_PRECONDITION, naming the controller, for what this machine cannot do.
absl::Status CheckLimits(Node& node, const spec::Resources& resources);

// Changes the limits `now` of a cgroup by what `change` sets: all of it or, on
// error, nothing. `undo` takes it back. The unit of a cgroup of systemd's
// follows.
work::Task<absl::Status> ChangeLimits(Node& node, std::string cgroup_path,
                                      spec::Resources now,
                                      spec::Resources change, UndoStack& undo);

// Runs `undo` after `why`, which is returned: with what could not be undone.
absl::Status TakeBack(UndoStack& undo, absl::Status why);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_CHANGE_LIMITS_H_
