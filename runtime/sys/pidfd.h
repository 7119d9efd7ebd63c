// Processes by descriptor, free of pid reuse (pidfd_open(2)).
//
// A pidfd becomes readable (EPOLLIN) when its process has ended; any process
// may hold one, only the parent can reap. Thread safety: any thread.

#ifndef GANTRY_RUNTIME_SYS_PIDFD_H_
#define GANTRY_RUNTIME_SYS_PIDFD_H_

#include <sys/types.h>

#include <chrono>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

// NOT_FOUND (ESRCH) if there is no such process. A zombie has one.
absl::StatusOr<UniqueFd> PidfdOpen(pid_t pid);

// NOT_FOUND (ESRCH) once the process has been reaped; OK on a zombie.
absl::Status PidfdSendSignal(int pidfd, int signal);

// Whether the process has ended, waiting up to `timeout` (zero: not at all,
// negative: for ever).
absl::StatusOr<bool> PidfdExited(int pidfd, std::chrono::milliseconds timeout);

struct ExitStatus {
  int code = 0;    // of exit(3); 0 if killed
  int signal = 0;  // that killed it; 0 if it exited
  bool dumped_core = false;

  // As a shell counts: the code, or 128 + signal.
  int ShellCode() const { return signal != 0 ? 128 + signal : code; }
  bool operator==(const ExitStatus&) const = default;
};

// Reaps the child behind `pidfd`, waiting for its end. FAILED_PRECONDITION
// (ECHILD) if it is not the caller's child or was reaped.
absl::StatusOr<ExitStatus> WaitPidfd(int pidfd);

// The same without waiting: nullopt while it runs.
absl::StatusOr<std::optional<ExitStatus>> TryWaitPidfd(int pidfd);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_PIDFD_H_
