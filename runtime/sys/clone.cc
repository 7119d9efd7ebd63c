#include "runtime/sys/clone.h"

#include <errno.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/status.h"

namespace gantry::sys {

absl::StatusOr<pid_t> Clone3(const CloneArgs& args) {
  constexpr uint64_t kRefused =
      CLONE_VM | CLONE_VFORK | CLONE_THREAD | CLONE_SIGHAND;
  if ((args.flags & kRefused) != 0) {
    return absl::InvalidArgumentError(
        "clone3: the child must not share memory");
  }
  int pidfd = -1;
  struct clone_args raw = {};
  raw.flags = args.flags;
  raw.exit_signal = static_cast<uint64_t>(args.exit_signal);
  if (args.pidfd != nullptr) {
    raw.flags |= CLONE_PIDFD;
    raw.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  }
  if (args.cgroup_fd >= 0) {
    raw.flags |= CLONE_INTO_CGROUP;
    raw.cgroup = static_cast<uint64_t>(args.cgroup_fd);
  }
  const long pid = syscall(SYS_clone3, &raw, sizeof raw);
  if (pid < 0) return ErrnoStatus(errno, "clone3");
  if (pid > 0 && args.pidfd != nullptr) args.pidfd->Reset(pidfd);
  return static_cast<pid_t>(pid);
}

}  // namespace gantry::sys
