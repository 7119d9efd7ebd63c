// What runs in a cloned child of the shim between clone3 and execve.
//
// The caller is the shim's single thread; the child is a full copy of it (no
// CLONE_VM), so ordinary code may run and allocate. Neither function returns:
// they end in execve, in the pause loop or, after a FAILED report over the
// sync socket, in _exit(127). Everything blocks. docs/architecture.md tells
// the order of steps; init.cc and exec.cc carry it as one sequence of calls.
//
// What the caller has done before:
//  - clone3 with every namespace that the plan calls NEW except the cgroup
//    namespace: that one is unshared here, after GO, because its root is the
//    caller's cgroup at that moment;
//  - for a joined PID namespace: setns before the clone;
//  - the cgroups are made, and the child is placed in them before GO is sent;
//  - exit_signal SIGCHLD. Signal mask and handlers are reset here.
// All descriptors but those named here are closed at once.

#ifndef GANTRY_SHIM_INIT_INIT_H_
#define GANTRY_SHIM_INIT_INIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "proto/plan.pb.h"
#include "proto/spec.pb.h"

namespace gantry::init {

// Namespaces to join where the plan says JOIN; -1: none. The PID namespace is
// the business of whoever clones.
struct NamespaceFds {
  int network = -1;
  int ipc = -1;
  int uts = -1;
  int user = -1;
  int cgroup = -1;
};

struct InitContext {
  // The child's end of the sync socket pair (sync.h).
  int sync_fd = -1;
  NamespaceFds join;
  // What becomes 0, 1 and 2; -1: /dev/null. Unused with a terminal. The same
  // number may appear more than once.
  int stdio[3] = {-1, -1, -1};
  // A user namespace for each of plan.id_maps() (MakeIdMaps).
  std::vector<int> id_maps;
  // READY tells when each step began.
  bool trace_steps = false;
};

// Becomes the container's first process.
[[noreturn]] void RunInit(const plan::InitPlan& plan,
                          const plan::NamespacePlan& namespaces,
                          const InitContext& context);

// A program to run in a container that exists.
struct ExecPlan {
  // The container's, with `user` replaced if another one is asked for.
  plan::Identity identity;
  std::vector<std::string> args;
  // Complete: the container's environment and what the request adds.
  std::vector<std::string> env;
  // Empty: "/". Missing is an error (NOT_FOUND).
  std::string cwd;
  bool terminal = false;
  // Initial size of the terminal; 0: the kernel's default.
  uint32_t width = 0;
  uint32_t height = 0;
  int32_t oom_score_adj = 0;
};

struct ExecContext {
  int sync_fd = -1;
  // The container's first process.
  int target_pidfd = -1;
  // CLONE_NEW* bits of the namespaces to join through target_pidfd: all in
  // which the container differs from the shim, without CLONE_NEWPID.
  int namespaces = 0;
  int stdio[3] = {-1, -1, -1};
};

// Becomes a process beside the container's first one. The clone was made into
// the container's PID namespace; GO is sent after it is in the cgroups.
[[noreturn]] void RunExec(const ExecPlan& plan, const ExecContext& context);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_INIT_H_
