#include "shim/io/log_rotation.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::shim {

bool LogRotation::IsCurrent(int log) const {
  const absl::StatusOr<struct stat> named =
      sys::StatAt(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  const absl::StatusOr<struct stat> held = sys::StatFd(log);
  return named.ok() && held.ok() && named->st_dev == held->st_dev &&
         named->st_ino == held->st_ino && S_ISREG(named->st_mode);
}

absl::StatusOr<UniqueFd> LogRotation::Open() const {
  return sys::OpenAt(AT_FDCWD, path,
                     O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK,
                     0640);
}

absl::StatusOr<UniqueFd> LogRotation::Rotate(int log) const {
  if (!IsCurrent(log)) {
    return absl::FailedPreconditionError(
        absl::StrCat("rotate ", path, ": another file is there"));
  }
  ASSIGN_OR_RETURN(const struct stat old, sys::StatFd(log));
  const auto numbered = [this](uint32_t number) {
    return absl::StrCat(path, ".", number);
  };
  for (uint32_t number = max_files - 1; number > 1; --number) {
    const absl::Status moved = sys::RenameAt(AT_FDCWD, numbered(number - 1),
                                             AT_FDCWD, numbered(number));
    if (!moved.ok() && !absl::IsNotFound(moved)) return moved;
  }
  RETURN_IF_ERROR(sys::RenameAt(AT_FDCWD, path, AT_FDCWD, numbered(1)));
  absl::StatusOr<UniqueFd> next = sys::OpenAt(
      AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW,
      old.st_mode & 0777);
  if (!next.ok()) {
    // The next one in the row is missing then, which harms nobody.
    sys::RenameAt(AT_FDCWD, numbered(1), AT_FDCWD, path).IgnoreError();
  }
  return next;
}

}  // namespace gantry::shim
