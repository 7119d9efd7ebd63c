#include "runtime/sys/lock_file.h"

#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::sys {

absl::StatusOr<UniqueFd> LockFileAt(int dirfd, absl::string_view name) {
  ASSIGN_OR_RETURN(
      UniqueFd fd,
      OpenAt(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600),
      "lock " << name);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return ErrnoStatus(errno, absl::StrCat("lock ", name));
    }
    // Empty for the moment between the holder's flock and its write.
    std::string pid = ReadFd(fd.get(), 64).value_or("");
    pid = std::string(absl::StripAsciiWhitespace(pid));
    return absl::FailedPreconditionError(absl::StrCat(
        "lock ", name, ": held by process ", pid.empty() ? "(unknown)" : pid));
  }
  if (ftruncate(fd.get(), 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("truncate ", name));
  }
  RETURN_IF_ERROR(WriteAll(fd.get(), absl::StrCat(getpid(), "\n")))
      << "lock " << name;
  return fd;
}

}  // namespace gantry::sys
