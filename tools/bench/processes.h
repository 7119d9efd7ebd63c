// The processes of a machine, and which of them a container runtime runs.
//
// `procfd`: a directory descriptor of /proc, or of a tree like it. Thread
// safety: plain functions. Blocking: reads three small files per process.
// A process that ends meanwhile is left out.

#ifndef GANTRY_TOOLS_BENCH_PROCESSES_H_
#define GANTRY_TOOLS_BENCH_PROCESSES_H_

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace gantry::bench {

// A name for ever: a pid that comes again has another start time.
struct ProcessId {
  pid_t pid = 0;
  uint64_t start_ticks = 0;
  auto operator<=>(const ProcessId&) const = default;
};

// Which file a process runs. All that were started from one file, a sealed
// memfd too, have the same.
struct ProgramId {
  uint64_t device = 0;
  uint64_t inode = 0;
  auto operator<=>(const ProgramId&) const = default;
};

struct Process {
  ProcessId id;
  pid_t parent = 0;
  bool zombie = false;
  ProgramId program;  // none of a zombie, and of one that may not be looked at
  std::vector<std::string> argv;
};

// All but kernel threads.
absl::StatusOr<std::vector<Process>> ReadProcesses(int procfd);

// Of `now`, what the runtime runs for containers whose program has exactly the
// argv `workload`; that is how the containers' own processes are told, so it
// should be one that nothing else on the machine has. A process is the
// runtime's if it was not there `before`, is no such program, and
// - is above one (a shim, a monitor), or below such a process (a pause), or
// - is below the server `server`, or
// - runs the same program as one of these (a helper that init adopted).
// Others that came meanwhile are somebody else's.
std::vector<Process> RuntimeProcesses(const std::vector<Process>& before,
                                      const std::vector<Process>& now,
                                      pid_t server,
                                      const std::vector<std::string>& workload);

// The process `pid` and all below it.
std::vector<Process> TreeOf(const std::vector<Process>& processes, pid_t pid);

// Of `processes`, those that run one of the programs.
std::vector<Process> Running(const std::vector<Process>& processes,
                             const std::set<ProgramId>& programs);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_PROCESSES_H_
