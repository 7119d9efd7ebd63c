// Starting a program from a process with threads, without fork.
//
// The child is made by clone(2) with CLONE_VM | CLONE_VFORK on a stack of its
// own: no page table is copied, no pthread_atfork handler runs, and the calling
// thread (alone) waits until the program runs or has failed to. Everything that
// needs memory is prepared before; the child makes raw system calls only.
// Thread safety: any number of threads at once. Blocking: for the execve.

#ifndef GANTRY_RUNTIME_SYS_SPAWN_H_
#define GANTRY_RUNTIME_SYS_SPAWN_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

struct FdMapping {
  int source = -1;  // in the caller
  int target = -1;  // in the program
};

// A session costs more than the call: where the scheduler groups by it
// (autogroup, sched(7)), its processes are weighed against all other sessions'.
enum class ProcessGroup {
  kCallers,
  kOwn,         // setpgid(2)
  kOwnSession,  // setsid(2)
};

// Borrows its descriptors; they stay the caller's.
struct SpawnRequest {
  // The program: a descriptor (execveat(2) with AT_EMPTY_PATH; not a script,
  // for its interpreter could not open it), else a path without a search. From
  // a descriptor the kernel names the process by a number until it says its
  // name (PR_SET_NAME).
  int exec_fd = -1;
  std::string path;

  std::vector<std::string> argv;  // at least the name
  std::vector<std::string> env;   // "KEY=value"; nothing is inherited

  // The program's descriptors; sources and targets may overlap in any way. All
  // others are closed, but 0, 1 and 2 are /dev/null unless named here.
  std::vector<FdMapping> fds;

  std::optional<int> cwd;  // a directory's descriptor; the caller's otherwise

  // Not the caller's child: an intermediate makes it and ends at once, so init
  // (or the nearest subreaper, which the caller must not be) reaps it.
  bool detached = false;
  ProcessGroup group = ProcessGroup::kCallers;
};

struct Spawned {
  pid_t pid = -1;
  UniqueFd pidfd;
};

class Spawner {
 public:
  // Returns once the program runs (its execve worked). The program starts with
  // no signal blocked and all signals at their defaults. Errors carry the
  // errno and the failed step, e.g. "spawn bridge: execute: ENOENT: ...", and
  // leave no process behind. Reap a child that is not detached by WaitPidfd.
  absl::StatusOr<Spawned> Spawn(const SpawnRequest& request) const;
};

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_SPAWN_H_
