// Exit codes as a shell counts them. Thread safety: pure.

#ifndef GANTRY_SHIM_PROCESS_WAIT_STATUS_H_
#define GANTRY_SHIM_PROCESS_WAIT_STATUS_H_

#include <sys/wait.h>

namespace gantry::shim {

// The signal that ended the process of a waitpid(2) status, 0 if none did.
inline int SignalOf(int wait_status) {
  return WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
}

// 128 + signal when killed.
inline int ExitCodeOf(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status)
                                  : WEXITSTATUS(wait_status);
}

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PROCESS_WAIT_STATUS_H_
