// Pipes, close-on-exec on both ends.

#ifndef GANTRY_RUNTIME_SYS_PIPE_H_
#define GANTRY_RUNTIME_SYS_PIPE_H_

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "absl/status/statusor.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

// `flags`: O_NONBLOCK for both ends, or 0.
inline absl::StatusOr<Pipe> MakePipe(int flags = 0) {
  int fds[2];
  if (::pipe2(fds, flags | O_CLOEXEC) != 0) {
    return ErrnoStatus(errno, "make a pipe");
  }
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_PIPE_H_
