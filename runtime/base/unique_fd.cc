#include "runtime/base/unique_fd.h"

#include <errno.h>
#include <unistd.h>

namespace gantry {

void UniqueFd::Reset(int fd) {
  int old = std::exchange(fd_, fd);
  if (old < 0 || old == fd) return;
  int saved = errno;
  // Linux frees the number even when close(2) answers EINTR or EIO, so it is
  // never called twice (man 2 close, NOTES).
  ::close(old);
  errno = saved;
}

}  // namespace gantry
