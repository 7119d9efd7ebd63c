#include "tools/bench/server_process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/proc_stat.h"
#include "tools/ctl/client.h"

namespace gantry::bench {

absl::StatusOr<pid_t> ServerPid(const std::string& endpoint) {
  ASSIGN_OR_RETURN(const std::string path, ctl::SocketPath(endpoint));
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return ErrnoStatus(errno, "make a socket");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  // SocketPath knows how long it may be.
  memcpy(address.sun_path, path.data(), path.size());
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("connect to ", path));
  }
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return ErrnoStatus(errno, absl::StrCat("ask who serves ", path));
  }
  if (peer.pid > 0) return peer.pid;
  return absl::FailedPreconditionError(
      absl::StrCat("the server at ", path, " is not in this PID namespace"));
}

absl::StatusOr<ServerIdentity> IdentityOf(int procfd,
                                          const std::string& endpoint) {
  ServerIdentity identity;
  ASSIGN_OR_RETURN(identity.pid, ServerPid(endpoint));
  ASSIGN_OR_RETURN(identity.start_ticks,
                   sys::StartTimeOf(procfd, identity.pid));
  ASSIGN_OR_RETURN(const std::string path, ctl::SocketPath(endpoint));
  ASSIGN_OR_RETURN(const struct stat file,
                   sys::StatAt(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW));
  identity.socket_inode = file.st_ino;
  return identity;
}

}  // namespace gantry::bench
