// A system call that is not made, or whose result is another one.
//
// For the tracer of a thread that is stopped before or after the call. Thread
// safety: as ptrace(2) says. Blocking: no.

#ifndef GANTRY_TEST_SWEEP_REGISTERS_H_
#define GANTRY_TEST_SWEEP_REGISTERS_H_

#include <sys/types.h>

#include "absl/status/status.h"

namespace gantry::sweep {

// Before the call: the kernel makes none.
absl::Status SkipCall(pid_t thread);

// After the call: it has failed with that errno.
absl::Status FailCall(pid_t thread, int error);

}  // namespace gantry::sweep

#endif  // GANTRY_TEST_SWEEP_REGISTERS_H_
