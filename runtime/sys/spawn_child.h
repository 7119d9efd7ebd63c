// What a spawned child does between clone and execve, on borrowed memory.
//
// The child shares the caller's memory and runs while other threads go on, so
// this is C in spirit: raw system calls on data prepared before, no allocation,
// no lock, no library call but syscall(2), and compiled without sanitizers.
// Internal to spawn.cc.

#ifndef GANTRY_RUNTIME_SYS_SPAWN_CHILD_H_
#define GANTRY_RUNTIME_SYS_SPAWN_CHILD_H_

#include <stddef.h>
#include <sys/types.h>

namespace gantry::sys::internal {

enum class SpawnStage {
  kNone,
  kCloneIntermediate,
  kClone,
  kGroup,
  kSession,
  kDirectory,
  kDescriptors,
  kClose,
  kSignals,
  kExecute,
};

struct ChildFd {
  int source;
  int target;
  int moved;  // scratch: where the source stands, out of the targets' way
};

struct SpawnPlan {
  int exec_fd;  // negative: `path`
  const char* path;
  char* const* argv;
  char* const* env;
  ChildFd* fds;  // by rising target
  size_t fd_count;
  int cwd_fd;  // negative: stay
  bool new_group;
  bool new_session;

  // Two stacks: the program's child, and the intermediate of a detached one.
  char* stack;
  char* intermediate_stack;
  size_t stack_bytes;

  // Filled in by the child (or by the kernel for it).
  SpawnStage failed_stage;
  int error;  // 0: the program runs
  pid_t pid;
  int pidfd;  // in the caller's descriptor table; -1: no process was made
};

// Makes the child as the caller's own and returns once it runs its program or
// has ended (then `error` is set and it is a zombie to be reaped). All signals
// must be blocked.
void SpawnChild(SpawnPlan* plan);

// Makes it by an intermediate child, which ends before this returns and must be
// reaped by waitpid(..., __WALL); gives its pid, negative if there was none. A
// program's child that failed has been reaped.
pid_t SpawnDetached(SpawnPlan* plan);

}  // namespace gantry::sys::internal

#endif  // GANTRY_RUNTIME_SYS_SPAWN_CHILD_H_
