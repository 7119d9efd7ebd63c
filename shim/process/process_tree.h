// Signals a process with all its descendants.
//
// Belonging to the tree: the root, every process of the session it leads, and
// every child of one that belongs. Each is stopped (SIGSTOP) when found, and
// the search goes on until it finds nobody new, so that nobody forks away
// meanwhile. Who left both the session and its parents (a daemon that forked
// twice and called setsid) is not found.
// Thread safety: reentrant. Blocks until all stand still, for at most two
// seconds, for a fork bomb might outrun the search: then ABORTED, after
// everything found was signalled.

#ifndef GANTRY_SHIM_PROCESS_PROCESS_TREE_H_
#define GANTRY_SHIM_PROCESS_PROCESS_TREE_H_

#include <sys/types.h>

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gantry::shim {

// A process as far as the search cares.
struct ProcessLink {
  pid_t pid;
  pid_t parent;
  pid_t session;
};

// Those of `processes` that belong to the tree of `root`, `root` included.
std::vector<pid_t> TreeOf(pid_t root,
                          const std::vector<ProcessLink>& processes);

// `candidates` lists every process that might belong (the cgroup's). After a
// signal other than SIGKILL and SIGSTOP, all go on.
absl::Status SignalTree(
    pid_t root,
    const std::function<absl::StatusOr<std::vector<pid_t>>()>& candidates,
    int signal);

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PROCESS_PROCESS_TREE_H_
