// /proc/PID/status (proc(5)): what a process does with signals.
//
// Thread-safe; reads one small file.

#ifndef GANTRY_RUNTIME_SYS_PROC_STATUS_H_
#define GANTRY_RUNTIME_SYS_PROC_STATUS_H_

#include <signal.h>
#include <sys/types.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::sys {

struct SignalState {
  // Its pid in the innermost PID namespace it is in.
  pid_t own_pid = 0;
  // Bit n - 1 stands for signal n.
  uint64_t blocked = 0;
  uint64_t caught = 0;

  // The first process of a PID namespace gets no signal from outside that it
  // neither handles nor blocks, SIGKILL and SIGSTOP aside: the kernel drops it
  // (pid_namespaces(7)).
  bool Drops(int signal) const {
    return own_pid == 1 && signal != SIGKILL && signal != SIGSTOP &&
           ((blocked | caught) >> (signal - 1) & 1) == 0;
  }
};

// DATA_LOSS for text that lacks a line.
absl::StatusOr<SignalState> ParseSignalState(absl::string_view text);

// `procfd`: a directory descriptor of /proc. NOT_FOUND if there is no such
// process.
absl::StatusOr<SignalState> ReadSignalState(int procfd, pid_t pid);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_PROC_STATUS_H_
