// What processes have open, as /proc tells it (man 5 proc).
//
// Thread safety: pure but for the reads. Blocks: a system call per process, and
// one per descriptor.

#ifndef GANTRY_SERVER_CORE_PROCESS_COUNTS_H_
#define GANTRY_SERVER_CORE_PROCESS_COUNTS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"

namespace gantry::core {

struct ProcessCounts {
  uint64_t processes = 0;
  uint64_t descriptors = 0;
  // Those of the descriptors that are sockets.
  uint64_t sockets = 0;
};

// `procfd`: /proc. A process that has ended counts as one without descriptors.
ProcessCounts CountProcesses(int procfd, const std::vector<pid_t>& pids);

// How many files the process may open (its soft limit). Unset if it has ended,
// or may open any number.
std::optional<uint64_t> OpenFilesLimit(int procfd, pid_t pid);

// The same out of the text of /proc/PID/limits.
std::optional<uint64_t> ParseOpenFilesLimit(absl::string_view text);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_PROCESS_COUNTS_H_
