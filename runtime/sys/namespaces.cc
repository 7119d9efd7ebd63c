#include "runtime/sys/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace gantry::sys {
namespace {

struct Name {
  uint64_t flag;
  const char* name;
};
constexpr Name kNames[] = {
    {CLONE_NEWNS, "mnt"},        {CLONE_NEWNET, "net"},
    {CLONE_NEWIPC, "ipc"},       {CLONE_NEWUTS, "uts"},
    {CLONE_NEWPID, "pid"},       {CLONE_NEWUSER, "user"},
    {CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWTIME, "time"},
};

std::string PathOf(pid_t pid, absl::string_view name) {
  if (pid == 0) return absl::StrCat("thread-self/ns/", name);
  return absl::StrCat(pid, "/ns/", name);
}

}  // namespace

std::string NamespaceNames(uint64_t flags) {
  std::string text;
  for (const Name& name : kNames) {
    if ((flags & name.flag) == 0) continue;
    flags &= ~name.flag;
    absl::StrAppend(&text, text.empty() ? "" : ",", name.name);
  }
  if (flags != 0 || text.empty()) {
    absl::StrAppend(&text, text.empty() ? "" : ",", "0x", absl::Hex(flags));
  }
  return text;
}

absl::Status Unshare(int flags) {
  if (unshare(flags) != 0) {
    return ErrnoStatus(
        errno, absl::StrCat("unshare namespaces ",
                            NamespaceNames(static_cast<unsigned>(flags))));
  }
  return absl::OkStatus();
}

absl::Status SetNs(int fd, int flags) {
  if (setns(fd, flags) != 0) {
    return ErrnoStatus(
        errno, absl::StrCat("join namespace ",
                            NamespaceNames(static_cast<unsigned>(flags)),
                            " of fd ", fd));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenNamespaceAt(int procfd, pid_t pid,
                                         absl::string_view name) {
  return OpenAt(procfd, PathOf(pid, name), O_RDONLY);
}

absl::StatusOr<uint64_t> NamespaceIdAt(int procfd, pid_t pid,
                                       absl::string_view name) {
  ASSIGN_OR_RETURN(struct stat info, StatAt(procfd, PathOf(pid, name)));
  return static_cast<uint64_t>(info.st_ino);
}

absl::StatusOr<uint64_t> NamespaceIdOf(int fd) {
  ASSIGN_OR_RETURN(struct stat info, StatFd(fd));
  return static_cast<uint64_t>(info.st_ino);
}

}  // namespace gantry::sys
