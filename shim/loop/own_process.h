// The shim's own process: what it keeps, shows and survives.
//
// Thread safety: for a process of one thread, at its start. Blocks only for
// reads and writes of /proc.

#ifndef GANTRY_SHIM_LOOP_OWN_PROCESS_H_
#define GANTRY_SHIM_LOOP_OWN_PROCESS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::shim {

// Points 0, 1 and 2 at /dev/null and closes everything from `first_closed` on.
// What lies between is made close-on-exec.
absl::Status KeepOnlyFds(int first_closed);

// Non-dumpable (nobody in a container may look into it), reaper of orphaned
// descendants, deaf to every signal that can be blocked, named `name`, without
// a hold on any directory.
absl::Status ShieldOwnProcess(const char* name);

// PERMISSION_DENIED for a score below what this process was ever given, without
// CAP_SYS_RESOURCE: it then keeps the server's, and goes on all the same.
absl::Status SetOwnOomScore(int score);

// Start time in clock ticks since boot (proc(5)).
absl::StatusOr<uint64_t> StartTicksOf(int pid);

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_LOOP_OWN_PROCESS_H_
