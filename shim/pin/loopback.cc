#include "shim/pin/loopback.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"

namespace gantry::shim {

absl::Status BringLoopbackUp() {
  UniqueFd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd.valid()) {
    return ErrnoStatus(errno, "make a socket to bring lo up");
  }
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  if (ioctl(socket_fd.get(), SIOCGIFFLAGS, &request) != 0) {
    return ErrnoStatus(errno, "read the flags of lo");
  }
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  if (ioctl(socket_fd.get(), SIOCSIFFLAGS, &request) != 0) {
    return ErrnoStatus(errno, "bring lo up");
  }
  return absl::OkStatus();
}

}  // namespace gantry::shim
