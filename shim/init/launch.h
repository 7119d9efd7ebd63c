// The end of a set-up, the same for a container's first process and for an
// exec: the user, the terminal, the identity, the program.
//
// Thread safety: changes the calling process.

#ifndef GANTRY_SHIM_INIT_LAUNCH_H_
#define GANTRY_SHIM_INIT_LAUNCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/plan.pb.h"
#include "proto/spec.pb.h"
#include "shim/init/console.h"
#include "shim/init/setup.h"

namespace gantry::init {

// If the identity has a user namespace: takes the ids of its root for files.
absl::Status PrepareUserNamespace(const plan::Identity& identity, Setup& setup);

// Resolves the user in the rootfs at setup.root.
absl::Status LookUpUser(const plan::Identity& identity, Setup& setup);

// Sends the master to the shim; the slave becomes the standard streams and the
// controlling terminal, owned by the user.
absl::Status HandOverConsole(Console console, Setup& setup);

// Limits, labels, OOM score, the user namespace, ids; then READY. Still
// undumpable and dying with the shim afterwards.
absl::Status AssumeIdentity(const plan::Identity& identity,
                            int32_t oom_score_adj,
                            std::vector<std::string> degraded, Setup& setup);

// Standard streams, seccomp, execve.
[[noreturn]] void Launch(const plan::Identity& identity,
                         std::vector<std::string> args,
                         std::vector<std::string> env, Setup& setup);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_LAUNCH_H_
