#include "runtime/sys/netns_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"

namespace gantry::sys {

absl::StatusOr<UniqueFd> SocketInNamespace(int netns_fd, int domain, int type,
                                           int protocol) {
  // 1. The way back is held open before the thread leaves.
  ASSIGN_OR_RETURN(UniqueFd home,
                   OpenAt(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY));
  // 2. There, the socket and nothing else; back whatever came of it.
  RETURN_IF_ERROR(SetNs(netns_fd, CLONE_NEWNET));
  UniqueFd socket(::socket(domain, type | SOCK_CLOEXEC, protocol));
  const int error = errno;
  if (!SetNs(home.get(), CLONE_NEWNET).ok()) std::abort();
  if (!socket.valid()) {
    return ErrnoStatus(error,
                       absl::StrCat("socket of domain ", domain,
                                    " in network namespace of fd ", netns_fd));
  }
  return socket;
}

}  // namespace gantry::sys
