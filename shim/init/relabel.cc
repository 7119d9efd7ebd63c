#include "shim/init/relabel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/security_label.h"

namespace gantry::init {
namespace {

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

}  // namespace

absl::Status Relabel(const std::string& path, const std::string& label) {
  ASSIGN_OR_RETURN(UniqueFd top, sys::OpenAt(AT_FDCWD, path, O_PATH));
  RETURN_IF_ERROR(CheckNotTheHosts(top.get()));
  RETURN_IF_ERROR(sys::SetLabel(top.get(), label));
  absl::StatusOr<UniqueFd> dir =
      sys::OpenAt(top.get(), ".", O_RDONLY | O_DIRECTORY);
  if (ErrnoOf(dir.status()) == ENOTDIR) return absl::OkStatus();
  RETURN_IF_ERROR(dir);
  return sys::SetLabelsBelow(dir->get(), label);
}

}  // namespace gantry::init
