// clone3(2) in the manner of fork: the child goes on from the call with a copy
// of the memory.
//
// For the single-threaded shim and for tests only: in a process with threads
// the child could inherit held locks; such a process uses spawn.h.

#ifndef GANTRY_RUNTIME_SYS_CLONE_H_
#define GANTRY_RUNTIME_SYS_CLONE_H_

#include <signal.h>
#include <sys/types.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

struct CloneArgs {
  // CLONE_NEW*, CLONE_PARENT, ... CLONE_PIDFD and CLONE_INTO_CGROUP follow from
  // the fields below; CLONE_VM, CLONE_VFORK, CLONE_THREAD and CLONE_SIGHAND
  // are refused.
  uint64_t flags = 0;
  int exit_signal = SIGCHLD;
  // A cgroup v2 directory that the child starts in; negative: the caller's.
  int cgroup_fd = -1;
  // If not null it gets a pidfd of the child.
  UniqueFd* pidfd = nullptr;
};

// The child's pid, as the caller sees it; 0 in the child. The child must end
// by execve or _exit.
absl::StatusOr<pid_t> Clone3(const CloneArgs& args);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_CLONE_H_
