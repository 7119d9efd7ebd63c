#include "shim/init/relabel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::init {
namespace {

constexpr char kAttribute[] = "security.selinux";
// A descriptor each is open on the way down.
constexpr int kMaxDepth = 400;

// Their own labels are what confines the host's services.
constexpr const char* kHosts[] = {
    "/",          "/bin",
    "/boot",      "/dev",
    "/etc",       "/etc/group",
    "/etc/hosts", "/etc/hostname",
    "/etc/pki",   "/etc/passwd",
    "/etc/ssl",   "/etc/shadow",
    "/home",      "/etc/resolv.conf",
    "/lib",       "/lib32",
    "/lib64",     "/media",
    "/mnt",       "/opt",
    "/proc",      "/root",
    "/run",       "/sbin",
    "/srv",       "/sys",
    "/tmp",       "/usr",
    "/usr/bin",   "/usr/lib",
    "/usr/local", "/usr/sbin",
    "/usr/share", "/var",
    "/var/cache", "/var/lib",
    "/var/log",   "/var/run",
    "/var/spool", "/var/tmp",
};

absl::Status CheckNotTheHosts(int fd) {
  ASSIGN_OR_RETURN(struct stat info, sys::StatFd(fd));
  for (const char* hosts : kHosts) {
    absl::StatusOr<struct stat> other = sys::StatAt(AT_FDCWD, hosts, 0);
    if (other.ok() && other->st_dev == info.st_dev &&
        other->st_ino == info.st_ino) {
      return absl::PermissionDeniedError(
          absl::StrCat("it is ", hosts, " of the host"));
    }
  }
  return absl::OkStatus();
}

// Of an entry of `dir`, which is never followed.
absl::Status SetLabelOfEntry(int dir, const std::string& name,
                             const std::string& label) {
  const std::string path = absl::StrCat("/proc/self/fd/", dir, "/", name);
  if (lsetxattr(path.c_str(), kAttribute, label.data(), label.size(), 0) == 0 ||
      errno == ENOTSUP || errno == ENOENT) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, absl::StrCat("set label of ", name));
}

absl::Status RelabelBelow(int dir, const std::string& label, int depth) {
  if (depth > kMaxDepth) {
    return absl::ResourceExhaustedError(
        absl::StrCat("directories are nested deeper than ", kMaxDepth));
  }
  ASSIGN_OR_RETURN(std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(dir, "."));
  for (const sys::DirEntry& entry : entries) {
    RETURN_IF_ERROR(SetLabelOfEntry(dir, entry.name, label));
    absl::StatusOr<UniqueFd> below = sys::OpenAt(
        dir, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
    // A file, a symlink, or gone by now.
    const int error = ErrnoOf(below.status());
    if (error == ENOTDIR || error == ELOOP || error == ENOENT) continue;
    RETURN_IF_ERROR(below);
    RETURN_IF_ERROR(RelabelBelow(below->get(), label, depth + 1)) << entry.name;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SetLabel(int fd, const std::string& label) {
  const std::string path = absl::StrCat("/proc/self/fd/", fd);
  if (setxattr(path.c_str(), kAttribute, label.data(), label.size(), 0) == 0 ||
      errno == ENOTSUP) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "set label");
}

absl::Status Relabel(const std::string& path, const std::string& label) {
  ASSIGN_OR_RETURN(UniqueFd top, sys::OpenAt(AT_FDCWD, path, O_PATH));
  RETURN_IF_ERROR(CheckNotTheHosts(top.get()));
  RETURN_IF_ERROR(SetLabel(top.get(), label));
  absl::StatusOr<UniqueFd> dir =
      sys::OpenAt(top.get(), ".", O_RDONLY | O_DIRECTORY);
  if (ErrnoOf(dir.status()) == ENOTDIR) return absl::OkStatus();
  RETURN_IF_ERROR(dir);
  return RelabelBelow(dir->get(), label, 0);
}

}  // namespace gantry::init
