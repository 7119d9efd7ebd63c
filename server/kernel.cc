#include "server/kernel.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::server {
namespace {

struct NeededCall {
  long number;
  absl::string_view what;
};

constexpr NeededCall kNeededCalls[] = {
    {SYS_openat2, "openat2 (Linux 5.6)"},
    {SYS_clone3, "clone3 (Linux 5.3)"},
    {SYS_pidfd_open, "pidfd_open (Linux 5.3)"},
    {SYS_memfd_create, "memfd_create (Linux 3.17)"},
    {SYS_seccomp, "seccomp (CONFIG_SECCOMP_FILTER)"},
};

constexpr absl::string_view kNeededNamespaces[] = {"cgroup", "ipc", "mnt",
                                                   "net",    "pid", "uts"};
constexpr absl::string_view kNeededFilesystems[] = {
    "overlay", "tmpfs", "proc", "sysfs", "mqueue", "devpts"};

// "nodev\ttmpfs" or "\text4" per line (filesystems(5)).
bool HasFilesystem(absl::string_view filesystems, absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(filesystems, '\n')) {
    const size_t tab = line.rfind('\t');
    if (tab != absl::string_view::npos && line.substr(tab + 1) == name) {
      return true;
    }
  }
  return false;
}

// The kernel loads a file system's module when somebody opens it.
void LoadFilesystem(absl::string_view name,
                    const std::function<bool(long)>& has_call) {
  if (!has_call(SYS_fsopen)) return;
  constexpr unsigned kCloseOnExec = 1;  // FSOPEN_CLOEXEC
  UniqueFd ignored(static_cast<int>(
      ::syscall(SYS_fsopen, std::string(name).c_str(), kCloseOnExec)));
}

std::string Filesystems(int rootfd) {
  absl::StatusOr<std::string> text =
      sys::ReadFileAt(rootfd, "proc/filesystems");
  return text.ok() ? *text : "";
}

}  // namespace

bool HasSystemCall(long number) {
  // A null pointer, no descriptor, a size of 0: EFAULT, EBADF or EINVAL where
  // the call exists.
  return ::syscall(number, -1L, 0L, -1L, 0L, 0L) >= 0 || errno != ENOSYS;
}

absl::Status CheckKernel(int rootfd,
                         const std::function<bool(long)>& has_call) {
  std::vector<std::string> missing;
  for (const NeededCall& call : kNeededCalls) {
    if (!has_call(call.number)) missing.emplace_back(call.what);
  }
  for (absl::string_view name : kNeededNamespaces) {
    if (!sys::ExistsAt(rootfd, absl::StrCat("proc/self/ns/", name))) {
      missing.push_back(absl::StrCat(name, " namespaces"));
    }
  }
  for (absl::string_view name : kNeededFilesystems) {
    if (HasFilesystem(Filesystems(rootfd), name)) continue;
    LoadFilesystem(name, has_call);
    if (!HasFilesystem(Filesystems(rootfd), name)) {
      missing.push_back(absl::StrCat("file system ", name));
    }
  }
  if (missing.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "this kernel (", KernelRelease(),
      ") lacks what gantryd needs: ", absl::StrJoin(missing, ", ")));
}

absl::Status CheckRoot(unsigned effective_uid) {
  if (effective_uid == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("gantryd must run as root, not as uid ", effective_uid));
}

bool HasSelinux(int rootfd) {
  return sys::ExistsAt(rootfd, "sys/fs/selinux/enforce");
}

std::string KernelRelease() {
  struct utsname name = {};
  return uname(&name) == 0 ? name.release : "unknown";
}

}  // namespace gantry::server
