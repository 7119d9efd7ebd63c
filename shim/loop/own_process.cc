#include "shim/loop/own_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/proc_stat.h"
#include "shim/donation.h"

namespace gantry::shim {

absl::Status KeepOnlyFds(int first_closed) {
  if (syscall(SYS_close_range, first_closed, ~0U, 0) != 0) {
    return ErrnoStatus(errno, "close descriptors that were not donated");
  }
  for (int fd = kFirstDonatedFd; fd < first_closed; ++fd) {
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return ErrnoStatus(errno, absl::StrCat("donated descriptor ", fd));
    }
  }
  ASSIGN_OR_RETURN(UniqueFd null, sys::OpenAt(AT_FDCWD, "/dev/null", O_RDWR));
  for (int fd = 0; fd < kFirstDonatedFd; ++fd) {
    if (fd != null.get() && dup2(null.get(), fd) < 0) {
      return ErrnoStatus(errno, "point a standard stream at /dev/null");
    }
  }
  // It took the place of a standard stream that was closed.
  if (null.get() < kFirstDonatedFd) (void)null.Release();
  return absl::OkStatus();
}

absl::Status ShieldOwnProcess(const char* name) {
  if (prctl(PR_SET_DUMPABLE, 0) != 0) {
    return ErrnoStatus(errno, "become non-dumpable");
  }
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    return ErrnoStatus(errno, "become a subreaper");
  }
  prctl(PR_SET_NAME, name);
  sigset_t all;
  sigfillset(&all);
  for (int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP}) {
    sigdelset(&all, fault);
  }
  if (sigprocmask(SIG_SETMASK, &all, nullptr) != 0) {
    return ErrnoStatus(errno, "block signals");
  }
  signal(SIGPIPE, SIG_IGN);
  umask(0022);
  if (chdir("/") != 0) return ErrnoStatus(errno, "change to /");
  return absl::OkStatus();
}

absl::Status SetOwnOomScore(int score) {
  return sys::WriteFileAt(AT_FDCWD, "/proc/self/oom_score_adj",
                          absl::StrCat(score));
}

absl::StatusOr<uint64_t> StartTicksOf(int pid) {
  ASSIGN_OR_RETURN(UniqueFd proc,
                   sys::OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY));
  return sys::StartTimeOf(proc.get(), pid);
}

}  // namespace gantry::shim
