#include "server/socket_path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::server {
namespace {

// Whether a connection to `path` is taken. A full backlog (EAGAIN) is somebody.
absl::StatusOr<bool> IsServed(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "make a socket");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket ", path, ": the path is too long"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
                sizeof address) == 0) {
    return true;
  }
  if (errno == ECONNREFUSED || errno == ENOENT) return false;
  if (errno == EAGAIN || errno == EINPROGRESS) return true;
  return ErrnoStatus(errno, absl::StrCat("connect to ", path));
}

}  // namespace

absl::Status FreeSocketPath(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash != 0 && slash != std::string::npos) {
    RETURN_IF_ERROR(sys::MkdirAllAt(AT_FDCWD, path.substr(0, slash), 0700));
  }
  absl::StatusOr<struct stat> found =
      sys::StatAt(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  if (absl::IsNotFound(found.status())) return absl::OkStatus();
  RETURN_IF_ERROR(found);
  if (!S_ISSOCK(found->st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "socket ", path, ": something else than a socket is there"));
  }
  ASSIGN_OR_RETURN(bool served, IsServed(path));
  if (served) {
    return absl::FailedPreconditionError(
        absl::StrCat("socket ", path, ": another server listens there"));
  }
  return sys::UnlinkAt(AT_FDCWD, path);
}

}  // namespace gantry::server
