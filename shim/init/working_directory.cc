#include "shim/init/working_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"

namespace gantry::init {

absl::StatusOr<UniqueFd> OpenWorkingDirectory(int root, const std::string& cwd,
                                              IfMissing if_missing,
                                              const ResolvedUser& user) {
  const std::string& path = cwd.empty() ? std::string("/") : cwd;
  // Magic links, as those below /proc/self/fd, are not followed.
  absl::StatusOr<UniqueFd> directory =
      sys::OpenInRoot(root, path, O_PATH | O_DIRECTORY);
  if (ErrnoOf(directory.status()) != ENOENT || if_missing == IfMissing::kFail) {
    return directory;
  }
  ASSIGN_OR_RETURN(UniqueFd made, sys::MkdirAllInRoot(root, path, 0755));
  // The making reads symlinks as text, magic ones too; what it made must be
  // what the path means.
  ASSIGN_OR_RETURN(UniqueFd meant,
                   sys::OpenInRoot(root, path, O_PATH | O_DIRECTORY));
  ASSIGN_OR_RETURN(struct stat info, sys::StatFd(made.get()));
  ASSIGN_OR_RETURN(struct stat meant_info, sys::StatFd(meant.get()));
  if (info.st_dev != meant_info.st_dev || info.st_ino != meant_info.st_ino) {
    return absl::FailedPreconditionError(
        absl::StrCat("make ", path, ": it changed meanwhile"));
  }
  if (fchownat(meant.get(), "", user.uid, user.gid, AT_EMPTY_PATH) != 0) {
    return ErrnoStatus(errno, absl::StrCat("chown ", path));
  }
  return meant;
}

absl::Status EnterWorkingDirectory(int directory, const std::string& cwd) {
  if (fchdir(directory) != 0) {
    return ErrnoStatus(errno, absl::StrCat("chdir to ", cwd));
  }
  // The system call itself: the C library hides what we look for.
  char path[PATH_MAX];
  const long size = syscall(SYS_getcwd, path, sizeof(path));
  // Deeper than it can say is still inside.
  if (size < 0 && errno == ERANGE) return absl::OkStatus();
  if (size < 0) return ErrnoStatus(errno, absl::StrCat("getcwd in ", cwd));
  if (path[0] == '/') return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("working directory ", cwd, " is outside the rootfs"));
}

}  // namespace gantry::init
