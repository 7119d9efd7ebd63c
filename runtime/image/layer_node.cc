#include "runtime/image/layer_node.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::image {
namespace {

absl::Status Checked(int result, absl::string_view what) {
  return result == 0 ? absl::OkStatus() : ErrnoStatus(errno, what);
}

// The way to name a node to calls that have no *at form.
std::string Through(int dirfd, absl::string_view name) {
  return absl::StrCat("/proc/self/fd/", dirfd, "/", name);
}

}  // namespace

absl::Status MakeNode(int dirfd, const std::string& name, mode_t mode,
                      dev_t device) {
  return Checked(mknodat(dirfd, name.c_str(), mode, device), "mknod");
}

absl::Status MakeWhiteout(int dirfd, const std::string& name) {
  return MakeNode(dirfd, name, S_IFCHR, makedev(0, 0));
}

bool IsWhiteout(mode_t mode, dev_t device) {
  return S_ISCHR(mode) && device == makedev(0, 0);
}

absl::Status LinkNode(int from_dirfd, const std::string& from, int to_dirfd,
                      const std::string& to) {
  return Checked(linkat(from_dirfd, from.c_str(), to_dirfd, to.c_str(), 0),
                 "link");
}

absl::Status SetOwner(int dirfd, const std::string& name, uid_t uid,
                      gid_t gid) {
  return Checked(fchownat(dirfd, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW),
                 "chown");
}

absl::Status SetMode(int dirfd, const std::string& name, mode_t mode) {
  return Checked(fchmodat(dirfd, name.c_str(), mode, AT_SYMLINK_NOFOLLOW),
                 "chmod");
}

absl::Status SetTime(int dirfd, const std::string& name,
                     const timespec& mtime) {
  const timespec times[2] = {mtime, mtime};
  return Checked(utimensat(dirfd, name.c_str(), times, AT_SYMLINK_NOFOLLOW),
                 "utimens");
}

absl::Status SetXattr(int dirfd, const std::string& name,
                      const std::string& key, absl::string_view value) {
  return Checked(lsetxattr(Through(dirfd, name).c_str(), key.c_str(),
                           value.data(), value.size(), 0),
                 absl::StrCat("set xattr ", key));
}

absl::Status SetOwner(int fd, uid_t uid, gid_t gid) {
  return Checked(fchown(fd, uid, gid), "chown");
}

absl::Status SetMode(int fd, mode_t mode) {
  return Checked(fchmod(fd, mode), "chmod");
}

absl::Status SetTime(int fd, const timespec& mtime) {
  const timespec times[2] = {mtime, mtime};
  return Checked(futimens(fd, times), "utimens");
}

absl::Status SetXattr(int fd, const std::string& key, absl::string_view value) {
  return Checked(fsetxattr(fd, key.c_str(), value.data(), value.size(), 0),
                 absl::StrCat("set xattr ", key));
}

absl::Status SetOpaque(int dirfd) {
  return Checked(setxattr(Through(dirfd, ".").c_str(), "trusted.overlay.opaque",
                          "y", 1, 0),
                 "set xattr trusted.overlay.opaque");
}

}  // namespace gantry::image
