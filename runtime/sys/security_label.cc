#include "runtime/sys/security_label.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::sys {
namespace {

constexpr char kAttribute[] = "security.selinux";
// A descriptor each is open on the way down.
constexpr int kMaxDepth = 400;

std::string PathOf(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

// Of an entry of `dir`, which is never followed.
absl::Status SetLabelOfEntry(int dir, const std::string& name,
                             const std::string& label) {
  const std::string path = absl::StrCat(PathOf(dir), "/", name);
  if (lsetxattr(path.c_str(), kAttribute, label.data(), label.size(), 0) == 0 ||
      errno == ENOTSUP || errno == ENOENT) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, absl::StrCat("set label of ", name));
}

absl::Status SetBelow(int dir, const std::string& label, int depth) {
  if (depth > kMaxDepth) {
    return absl::ResourceExhaustedError(
        absl::StrCat("directories are nested deeper than ", kMaxDepth));
  }
  ASSIGN_OR_RETURN(std::vector<DirEntry> entries, ListDirAt(dir, "."));
  for (const DirEntry& entry : entries) {
    RETURN_IF_ERROR(SetLabelOfEntry(dir, entry.name, label));
    absl::StatusOr<UniqueFd> below = OpenAt(
        dir, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
    // A file, a symlink, or gone by now.
    const int error = ErrnoOf(below.status());
    if (error == ENOTDIR || error == ELOOP || error == ENOENT) continue;
    RETURN_IF_ERROR(below);
    RETURN_IF_ERROR(SetBelow(below->get(), label, depth + 1)) << entry.name;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> LabelOf(int fd) {
  // A label is at most a page (the kernel's limit for its text).
  std::string label(4096, '\0');
  const ssize_t size =
      getxattr(PathOf(fd).c_str(), kAttribute, label.data(), label.size());
  if (size < 0) {
    if (errno == ENODATA || errno == ENOTSUP) return "";
    return ErrnoStatus(errno, "read label");
  }
  label.resize(size);
  // The kernel's answer ends with a NUL, what a tool wrote may not.
  while (!label.empty() && label.back() == '\0') label.pop_back();
  return label;
}

absl::Status SetLabel(int fd, const std::string& label) {
  if (setxattr(PathOf(fd).c_str(), kAttribute, label.data(), label.size(), 0) ==
          0 ||
      errno == ENOTSUP) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "set label");
}

absl::Status SetLabelsBelow(int dirfd, const std::string& label) {
  return SetBelow(dirfd, label, 0);
}

}  // namespace gantry::sys
