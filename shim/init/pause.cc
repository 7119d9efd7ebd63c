#include "shim/init/pause.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/status.h"

namespace gantry::init {
namespace {

sigset_t PauseSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGCHLD);
  return signals;
}

}  // namespace

absl::Status PreparePause() {
  sigset_t signals = PauseSignals();
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) {
    return ErrnoStatus(errno, "block signals");
  }
  if (prctl(PR_SET_NAME, "pause", 0, 0, 0) != 0) {
    return ErrnoStatus(errno, "name the process");
  }
  return absl::OkStatus();
}

void RunPause() {
  syscall(SYS_close_range, 0u, ~0u, 0u);
  sigset_t signals = PauseSignals();
  while (true) {
    const int signal = sigwaitinfo(&signals, nullptr);
    if (signal == SIGTERM || signal == SIGINT) _exit(0);
    // One SIGCHLD may stand for several children.
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}

}  // namespace gantry::init
