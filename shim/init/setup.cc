#include "shim/init/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"
#include "shim/init/note_step.h"

namespace gantry::init {
namespace {

// By number: not every C library in use has the wrapper.
absl::Status CloseRange(unsigned first, unsigned last, unsigned flags) {
  if (first > last || syscall(SYS_close_range, first, last, flags) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "close descriptors");
}

absl::StatusOr<UniqueFd> MoveUp(int fd) {
  UniqueFd moved(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!moved) return ErrnoStatus(errno, "duplicate a descriptor");
  return moved;
}

absl::Status CheckNull(int fd) {
  ASSIGN_OR_RETURN(struct stat info, sys::StatFd(fd));
  if (S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError("open /dev/null: not the null device");
}

absl::StatusOr<UniqueFd> OpenNull() {
  ASSIGN_OR_RETURN(UniqueFd null, sys::OpenAt(AT_FDCWD, "/dev/null", O_RDWR));
  RETURN_IF_ERROR(CheckNull(null.get()));
  return null;
}

// Looked at before it is opened for use: opening a device can do things.
absl::StatusOr<UniqueFd> OpenNullInRoot(int root) {
  ASSIGN_OR_RETURN(UniqueFd path, sys::OpenInRoot(root, "/dev/null", O_PATH));
  RETURN_IF_ERROR(CheckNull(path.get()));
  ASSIGN_OR_RETURN(UniqueFd null,
                   sys::OpenInRoot(root, "/dev/null", O_RDWR | O_NOCTTY));
  RETURN_IF_ERROR(CheckNull(null.get()));
  return null;
}

// Closes everything from 3 on but `kept`.
absl::Status CloseAllBut(std::vector<unsigned> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned next = 3;
  for (unsigned fd : kept) {
    if (fd > next) {
      RETURN_IF_ERROR(CloseRange(next, fd - 1, 0));
    }
    next = std::max(next, fd + 1);
  }
  return CloseRange(next, ~0u, 0);
}

absl::Status TakeDescriptors(int sync_fd, const int (&stdio)[3],
                             std::span<int* const> others, Setup& setup) {
  // First of all the way to report.
  ASSIGN_OR_RETURN(setup.sync, MoveUp(sync_fd));
  ASSIGN_OR_RETURN(UniqueFd null, OpenNull());
  ASSIGN_OR_RETURN(setup.null, MoveUp(null.get()));
  std::vector<unsigned> kept = {static_cast<unsigned>(setup.sync.get()),
                                static_cast<unsigned>(setup.null.get())};
  for (int i = 0; i < 3; ++i) {
    ASSIGN_OR_RETURN(setup.stdio[i],
                     MoveUp(stdio[i] < 0 ? setup.null.get() : stdio[i]));
    setup.is_null[i] = stdio[i] < 0;
    kept.push_back(setup.stdio[i].get());
  }
  for (int* other : others) {
    if (*other < 0) continue;
    ASSIGN_OR_RETURN(UniqueFd moved, MoveUp(*other));
    *other = moved.Release();
    kept.push_back(*other);
  }
  return CloseAllBut(std::move(kept));
}

void DefaultSignals() {
  // The kernel's own struct sigaction, all zero: SIG_DFL. The C library's call
  // would keep 32 and 33, which a caller may have left ignored.
  const unsigned long action[4] = {};
  for (int number = 1; number < NSIG; ++number) {
    syscall(SYS_rt_sigaction, number, action, nullptr, sizeof(uint64_t));
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

void Setup::Enter(Stage next, const char* step) {
  stage = next;
  if (trace_steps) NoteStep(step == nullptr ? StepName(next) : step, ready);
}

absl::Status HideFromDebuggers() {
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "make the process non-dumpable");
}

absl::Status DieWithShim(int sync_fd) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
    return ErrnoStatus(errno, "set the parent death signal");
  }
  // The parent's pid cannot tell across PID namespaces; its end of the socket
  // can.
  pollfd shim = {sync_fd, POLLIN, 0};
  if (poll(&shim, 1, 0) > 0 && (shim.revents & (POLLHUP | POLLERR)) != 0) {
    return absl::CancelledError("the shim is gone");
  }
  return absl::OkStatus();
}

absl::Status Begin(int sync_fd, const int (&stdio)[3],
                   std::span<int* const> others, Setup& setup) {
  absl::Status taken = HideFromDebuggers();
  if (taken.ok()) taken = TakeDescriptors(sync_fd, stdio, others, setup);
  // Fail has no way to report yet.
  if (!taken.ok() && !setup.sync) SendFailed(sync_fd, setup.stage, taken);
  RETURN_IF_ERROR(taken);
  RETURN_IF_ERROR(DieWithShim(setup.sync.get()));
  DefaultSignals();
  // Modes are given exactly; the process gets its own umask later.
  umask(0);
  RETURN_IF_ERROR(WaitForGo(setup.sync.get()));
  // Without a controlling terminal; fails only for one that leads a group.
  if (setsid() < 0 && errno != EPERM) return ErrnoStatus(errno, "setsid");
  return absl::OkStatus();
}

void UseOwnNull(Setup& setup) {
  absl::StatusOr<UniqueFd> null = OpenNullInRoot(setup.root.get());
  if (!null.ok()) return;
  for (int i = 0; i < 3; ++i) {
    if (!setup.is_null[i]) continue;
    absl::StatusOr<UniqueFd> stream = sys::Duplicate(null->get());
    if (stream.ok()) setup.stdio[i] = *std::move(stream);
  }
}

void OwnStdio(const Setup& setup) {
  for (const UniqueFd& stream : setup.stdio) {
    struct stat info = {};
    // A device or file of the host keeps its owner. Best effort: it only
    // matters to programs that open /dev/stdout by name.
    if (fstat(stream.get(), &info) == 0 && S_ISFIFO(info.st_mode) &&
        fchown(stream.get(), setup.outside.uid, -1) != 0) {
      errno = 0;
    }
  }
}

absl::Status InstallStdio(Setup& setup) {
  for (int i = 0; i < 3; ++i) {
    if (dup2(setup.stdio[i].get(), i) < 0) {
      return ErrnoStatus(errno, "install standard streams");
    }
  }
  return CloseRange(3, ~0u, CLOSE_RANGE_CLOEXEC);
}

void Fail(const Setup& setup, const absl::Status& failure) {
  SendFailed(setup.sync.get(), setup.stage, failure);
  _exit(127);
}

}  // namespace gantry::init
