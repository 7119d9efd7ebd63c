// The parts of file.h about directories.

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/check_path.h"
#include "runtime/sys/file.h"

namespace gantry::sys {
namespace {

// Why mkdir's error stands: 0 if a directory is there, else that error, or the
// one of looking.
int WhyNot(int error, int dirfd, const std::string& path) {
  struct stat info;
  if (fstatat(dirfd, path.c_str(), &info, 0) != 0) {
    return errno == ENOENT ? error : errno;
  }
  return S_ISDIR(info.st_mode) ? 0 : error;
}

}  // namespace

absl::Status MkdirAt(int dirfd, absl::string_view path, mode_t mode) {
  RETURN_IF_ERROR(CheckPath("mkdir", path));
  if (mkdirat(dirfd, std::string(path).c_str(), mode) != 0) {
    return ErrnoStatus(errno, absl::StrCat("mkdir ", path));
  }
  return absl::OkStatus();
}

absl::Status MkdirAllAt(int dirfd, absl::string_view path, mode_t mode) {
  RETURN_IF_ERROR(CheckPath("mkdir", path));
  const std::string whole(path);
  if (mkdirat(dirfd, whole.c_str(), mode) == 0) return absl::OkStatus();
  const int first = errno == EEXIST ? WhyNot(errno, dirfd, whole) : errno;
  if (first == 0) return absl::OkStatus();
  if (first != ENOENT || whole.empty()) {
    return ErrnoStatus(first, absl::StrCat("mkdir ", path));
  }
  // Something above is missing: make it from the top.
  for (size_t end = 1; end <= whole.size(); ++end) {
    if (end != whole.size() && whole[end] != '/') continue;
    if (whole[end - 1] == '/') continue;
    const std::string part = whole.substr(0, end);
    if (mkdirat(dirfd, part.c_str(), mode) == 0) continue;
    // Whatever mkdir says (EEXIST, EROFS, EPERM), a directory is what we want.
    const int error = WhyNot(errno, dirfd, part);
    if (error != 0) return ErrnoStatus(error, absl::StrCat("mkdir ", part));
  }
  return absl::OkStatus();
}

absl::Status RmdirAt(int dirfd, absl::string_view path) {
  RETURN_IF_ERROR(CheckPath("rmdir", path));
  if (unlinkat(dirfd, std::string(path).c_str(), AT_REMOVEDIR) != 0) {
    return ErrnoStatus(errno, absl::StrCat("rmdir ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DirEntry>> ListDirAt(int dirfd,
                                                absl::string_view path) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(dirfd, path, O_RDONLY | O_DIRECTORY));
  constexpr size_t kBatch = 32 * 1024;
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBatch);
  std::vector<DirEntry> entries;
  while (true) {
    ssize_t n = getdents64(fd.get(), buffer.get(), kBatch);
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("list ", path));
    if (n == 0) return entries;
    for (ssize_t at = 0; at < n;) {
      const auto* entry = reinterpret_cast<dirent64*>(buffer.get() + at);
      at += entry->d_reclen;
      const absl::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      entries.push_back({std::string(name), entry->d_type});
    }
  }
}

}  // namespace gantry::sys
