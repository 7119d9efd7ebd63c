// Clearing away what has no (sound) record any more, at the start of the
// server. Nothing is touched but what lies below this server's own directories
// and the cgroups of the ids found there.

#ifndef GANTRY_SERVER_CORE_SWEEP_H_
#define GANTRY_SERVER_CORE_SWEEP_H_

#include <string>

#include "server/core/node.h"
#include "server/work/task.h"

namespace gantry::core {

// A container whose record is damaged: it is ended through its shim, and its
// directory is moved to "damaged" below the root directory for a person to
// look at.
work::Task<void> SetAsideContainer(Node& node, std::string id);

// The directory of a pod whose record is damaged is moved there too.
work::Task<void> SetAsidePod(Node& node, std::string id);

// A pod without a record that can be read: its containers are killed (they
// stay, EXITED, for their client to remove), its pause and its cgroup go.
work::Task<void> EndLostPod(Node& node, std::string id);

// Run directories, pinned namespaces, pods' cgroups, writable layers and units
// of ids that are not in the index.
work::Task<void> SweepOrphans(Node& node);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_SWEEP_H_
