#include "runtime/sys/pidfd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"

namespace gantry::sys {
namespace {

absl::StatusOr<std::optional<ExitStatus>> Wait(int pidfd, int extra) {
  siginfo_t info = {};
  int result;
  do {
    // __WALL: also children that were cloned with another exit signal.
    result = waitid(static_cast<idtype_t>(P_PIDFD), pidfd, &info,
                    WEXITED | __WALL | extra);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    const auto code = errno == ECHILD ? absl::StatusCode::kFailedPrecondition
                                      : CodeOfErrno(errno);
    return ErrnoStatus(code, errno, "wait for process by pidfd");
  }
  if (info.si_pid == 0) return std::nullopt;
  ExitStatus status;
  if (info.si_code == CLD_EXITED) {
    status.code = info.si_status;
  } else {
    status.signal = info.si_status;
    status.dumped_core = info.si_code == CLD_DUMPED;
  }
  return status;
}

}  // namespace

absl::StatusOr<UniqueFd> PidfdOpen(pid_t pid) {
  int fd = syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) {
    return ErrnoStatus(errno, absl::StrCat("open pidfd of process ", pid));
  }
  return UniqueFd(fd);
}

absl::Status PidfdSendSignal(int pidfd, int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0) {
    return ErrnoStatus(
        errno, absl::StrCat("send signal ", signal, " to process by pidfd"));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> PidfdExited(int pidfd, std::chrono::milliseconds timeout) {
  const bool forever = timeout.count() < 0;
  const int64_t end =
      RealClock().BootNanos() + std::chrono::nanoseconds(timeout).count();
  struct pollfd poll_fd = {pidfd, POLLIN, 0};
  while (true) {
    int wait = -1;
    if (!forever) {
      const int64_t left = end - RealClock().BootNanos();
      // Rounded up, so that the last round does not spin.
      wait = left <= 0 ? 0 : static_cast<int>((left + 999'999) / 1'000'000);
    }
    const int n = poll(&poll_fd, 1, wait);
    if (n < 0 && errno != EINTR) return ErrnoStatus(errno, "poll pidfd");
    if (n > 0 && (poll_fd.revents & POLLNVAL) != 0) {
      return ErrnoStatus(EBADF, "poll pidfd");
    }
    if (n > 0) return true;
    if (n == 0 && wait == 0) return false;
  }
}

absl::StatusOr<ExitStatus> WaitPidfd(int pidfd) {
  ASSIGN_OR_RETURN(std::optional<ExitStatus> status, Wait(pidfd, 0));
  if (!status.has_value()) return absl::InternalError("wait gave no process");
  return *status;
}

absl::StatusOr<std::optional<ExitStatus>> TryWaitPidfd(int pidfd) {
  return Wait(pidfd, WNOHANG);
}

}  // namespace gantry::sys
