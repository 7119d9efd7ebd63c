#include "runtime/sys/file.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/check_path.h"

namespace gantry::sys {
namespace {

// What the system calls want: ended by NUL.
std::string Zero(absl::string_view path) { return std::string(path); }

absl::Status Failed(int error, absl::string_view verb, absl::string_view path) {
  return ErrnoStatus(error, absl::StrCat(verb, " ", path));
}

absl::StatusOr<std::string> ReadAll(int fd, size_t max_bytes,
                                    absl::string_view what) {
  constexpr size_t kFirst = 4096;
  // Leaves room for the byte that tells "exactly at the limit" from "over it".
  max_bytes = std::min(max_bytes, std::string().max_size() - 1);
  std::string data;
  size_t used = 0;
  while (true) {
    if (used == data.size()) {
      data.resize(std::min(std::max(kFirst, 2 * used), max_bytes + 1));
    }
    ssize_t n = read(fd, data.data() + used, data.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed(errno, "read", what);
    if (n == 0) break;
    used += n;
    if (used > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("read ", what, ": more than ", max_bytes, " bytes"));
    }
  }
  data.resize(used);
  return data;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenAt(int dirfd, absl::string_view path, int flags,
                                mode_t mode) {
  RETURN_IF_ERROR(CheckPath("open", path));
  const std::string name = Zero(path);
  int fd;
  do {
    fd = openat(dirfd, name.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return Failed(errno, "open", path);
  return UniqueFd(fd);
}

absl::StatusOr<UniqueFd> Duplicate(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return ErrnoStatus(errno, absl::StrCat("duplicate fd ", fd));
  return UniqueFd(copy);
}

absl::StatusOr<std::string> ReadFd(int fd, size_t max_bytes) {
  return ReadAll(fd, max_bytes, absl::StrCat("fd ", fd));
}

absl::StatusOr<std::string> ReadFileAt(int dirfd, absl::string_view path,
                                       size_t max_bytes) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(dirfd, path, O_RDONLY));
  return ReadAll(fd.get(), max_bytes, path);
}

absl::Status WriteAll(int fd, absl::string_view data) {
  while (!data.empty()) {
    ssize_t n = write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("write fd ", fd));
    data.remove_prefix(n);
  }
  return absl::OkStatus();
}

absl::Status WriteFileAt(int dirfd, absl::string_view path,
                         absl::string_view data) {
  constexpr size_t kShown = 64;
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(dirfd, path, O_WRONLY | O_TRUNC));
  ssize_t n;
  do {
    n = write(fd.get(), data.data(), data.size());
  } while (n < 0 && errno == EINTR);
  const int error = n < 0 ? errno : 0;
  if (n == static_cast<ssize_t>(data.size())) return absl::OkStatus();
  const std::string what =
      absl::StrCat("write \"", absl::CHexEscape(data.substr(0, kShown)),
                   data.size() > kShown ? "...\" to " : "\" to ", path);
  if (error != 0) return ErrnoStatus(error, what);
  return absl::InternalError(absl::StrCat(what, ": only ", n, " of ",
                                          data.size(), " bytes were taken"));
}

absl::StatusOr<struct stat> StatAt(int dirfd, absl::string_view path,
                                   int flags) {
  RETURN_IF_ERROR(CheckPath("stat", path));
  struct stat info;
  if (fstatat(dirfd, Zero(path).c_str(), &info, flags) != 0) {
    return Failed(errno, "stat", path);
  }
  return info;
}

absl::StatusOr<struct stat> StatFd(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) {
    return ErrnoStatus(errno, absl::StrCat("stat fd ", fd));
  }
  return info;
}

bool ExistsAt(int dirfd, absl::string_view path) {
  struct stat info;
  return CheckPath("stat", path).ok() &&
         fstatat(dirfd, Zero(path).c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
}

absl::StatusOr<std::string> ReadlinkAt(int dirfd, absl::string_view path) {
  RETURN_IF_ERROR(CheckPath("read link", path));
  // Linux keeps no longer text than this (symlink(2), ENAMETOOLONG).
  char text[4096];
  ssize_t n = readlinkat(dirfd, Zero(path).c_str(), text, sizeof text);
  if (n < 0) return Failed(errno, "read link", path);
  return std::string(text, n);
}

absl::Status UnlinkAt(int dirfd, absl::string_view path) {
  RETURN_IF_ERROR(CheckPath("unlink", path));
  if (unlinkat(dirfd, Zero(path).c_str(), 0) == 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  return Failed(errno, "unlink", path);
}

absl::Status RenameAt(int old_dirfd, absl::string_view old_path, int new_dirfd,
                      absl::string_view new_path) {
  RETURN_IF_ERROR(CheckPath("rename", old_path));
  RETURN_IF_ERROR(CheckPath("rename to", new_path));
  if (renameat(old_dirfd, Zero(old_path).c_str(), new_dirfd,
               Zero(new_path).c_str()) != 0) {
    return Failed(errno, "rename", absl::StrCat(old_path, " to ", new_path));
  }
  return absl::OkStatus();
}

absl::Status SymlinkAt(absl::string_view target, int dirfd,
                       absl::string_view path) {
  RETURN_IF_ERROR(CheckPath("symlink to", target));
  RETURN_IF_ERROR(CheckPath("symlink", path));
  if (symlinkat(Zero(target).c_str(), dirfd, Zero(path).c_str()) != 0) {
    return Failed(errno, "symlink", path);
  }
  return absl::OkStatus();
}

absl::Status FsyncFd(int fd, absl::string_view what) {
  // Not retried on EIO: the kernel reports a lost page once and then forgets
  // it, so a second fsync would lie.
  if (fsync(fd) != 0) return Failed(errno, "fsync", what);
  return absl::OkStatus();
}

}  // namespace gantry::sys
