// A terminal from the container's own devpts.
//
// Thread safety: plain system calls.

#ifndef GANTRY_SHIM_INIT_CONSOLE_H_
#define GANTRY_SHIM_INIT_CONSOLE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"

namespace gantry::init {

struct Console {
  UniqueFd master;
  UniqueFd slave;
};

// Opens a pair through /dev/pts/ptmx below `root`, which must be that of a
// devpts (a rootfs may have anything there). Sets the size if it is not 0 x 0.
absl::StatusOr<Console> OpenConsole(int root, uint32_t width, uint32_t height);

// Binds the slave on /dev/console below `root`, by descriptor: its name in
// /dev/pts may be another file by now (CVE-2025-52565).
absl::Status BindConsole(int root, int slave);

// Makes the slave the controlling terminal (the caller leads a session).
absl::Status ControlConsole(int slave);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_CONSOLE_H_
