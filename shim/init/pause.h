// The built-in pause: a process that keeps a PID namespace and reaps what is
// orphaned in it.
//
// Thread safety: changes the calling process.

#ifndef GANTRY_SHIM_INIT_PAUSE_H_
#define GANTRY_SHIM_INIT_PAUSE_H_

#include "absl/status/status.h"
#include "shim/init/setup.h"

namespace gantry::init {

// Blocks the signals that RunPause waits for: as the first process of a PID
// namespace it would else never see them (pid_namespaces(7)). Names the
// process.
absl::Status PreparePause();

// Reaps for ever; exits with 0 on SIGTERM or SIGINT. Closes every descriptor,
// which tells the shim that the pause runs.
[[noreturn]] void RunPause();

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_PAUSE_H_
