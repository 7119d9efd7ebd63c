#include "runtime/sys/netns_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"

namespace gantry::sys {
namespace {

// A thread in the wrong network would do harm with all that it does later; so
// its process ends, but not for a shortage (ENOMEM) that passes: nothing tells
// when it has, so it is tried for a second.
bool GoHome(int home) {
  constexpr int kTries = 100;
  constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 10'000'000};
  for (int i = 0; i < kTries; ++i) {
    if (SetNs(home, CLONE_NEWNET).ok()) return true;
    nanosleep(&kPause, nullptr);
  }
  return false;
}

}  // namespace

absl::StatusOr<UniqueFd> SocketInNamespace(int netns_fd, int domain, int type,
                                           int protocol) {
  // 1. The way back is held open before the thread leaves.
  ASSIGN_OR_RETURN(UniqueFd home,
                   OpenAt(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY));
  // 2. There, the socket and nothing else; back whatever came of it.
  RETURN_IF_ERROR(SetNs(netns_fd, CLONE_NEWNET));
  UniqueFd socket(::socket(domain, type | SOCK_CLOEXEC, protocol));
  const int error = errno;
  if (!GoHome(home.get())) std::abort();
  if (!socket.valid()) {
    return ErrnoStatus(error,
                       absl::StrCat("socket of domain ", domain,
                                    " in network namespace of fd ", netns_fd));
  }
  return socket;
}

}  // namespace gantry::sys
