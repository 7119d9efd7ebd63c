// What the start of the server makes of what it finds on disk, before it
// serves (docs/life_of_a_request.md, "Start of the server").
//
// The truth is the records; processes are found again through their shims.
// Afterwards every object is in a state that CRI allows, and nothing is left
// of what has no record. Containers that run are not touched.

#ifndef GANTRY_SERVER_CORE_RECOVERY_H_
#define GANTRY_SERVER_CORE_RECOVERY_H_

#include "absl/status/status.h"
#include "proto/record.pb.h"
#include "server/core/node.h"
#include "server/core/start_progress.h"
#include "server/work/task.h"

namespace gantry::core {

// What is to be done about one container's record.
enum class ContainerFate {
  // As it is: CREATED, EXITED.
  kKeep,
  // It may run: ask its shim, or read what it left.
  kFindShim,
  // Its processes went with the boot they belonged to.
  kNoteLost,
  // Half made or half removed: finish by removing.
  kRemove,
};
ContainerFate FateOf(const record::ContainerRecord& container,
                     const std::string& boot_id);

enum class PodFate {
  kKeep,
  // Its namespaces went with their boot.
  kNoteStopped,
  // Half made or half removed: finish by removing.
  kRemove,
};
PodFate FateOf(const record::PodRecord& pod, const std::string& boot_id);

// Loads all records into the index; then pods in parallel, each after its
// containers, at last the sweep. A damaged record is set aside and costs its
// object only. `new_boot`: no server has come so far since the machine was
// started. Then a damaged record is what a power cut leaves of one that was
// just written, of a container that is gone with its boot: it is removed with
// all that was the object's. Fails only if nothing can be served: the
// directories are unreadable.
//
// A shim that does not answer holds this up for a few seconds; after that it
// holds up its own pod alone, whose lock is kept until the container is found
// or given up. `progress` must live as long as the node's tasks.
work::Task<absl::Status> Recover(Node& node, bool new_boot,
                                 StartProgress& progress);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_RECOVERY_H_
