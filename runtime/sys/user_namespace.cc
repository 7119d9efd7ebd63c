#include "runtime/sys/user_namespace.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/clone.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"

namespace gantry::sys {
namespace {

absl::StatusOr<UniqueFd> MapAndOpen(int procfd, pid_t pid,
                                    std::span<const IdRange> uids,
                                    std::span<const IdRange> gids) {
  RETURN_IF_ERROR(
      WriteFileAt(procfd, absl::StrCat(pid, "/uid_map"), IdMapText(uids)));
  RETURN_IF_ERROR(
      WriteFileAt(procfd, absl::StrCat(pid, "/gid_map"), IdMapText(gids)));
  return OpenNamespaceAt(procfd, pid, "user");
}

}  // namespace

std::string IdMapText(std::span<const IdRange> ranges) {
  std::string text;
  for (const IdRange& range : ranges) {
    absl::StrAppend(&text, range.inside, " ", range.outside, " ", range.count,
                    "\n");
  }
  return text;
}

absl::StatusOr<UniqueFd> NewUserNamespace(int procfd,
                                          std::span<const IdRange> uids,
                                          std::span<const IdRange> gids) {
  ASSIGN_OR_RETURN(pid_t pid,
                   Clone3({.flags = CLONE_NEWUSER, .exit_signal = 0}),
                   "new user namespace");
  if (pid == 0) {
    // Should the caller be killed meanwhile.
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    while (true) pause();
  }
  absl::StatusOr<UniqueFd> fd = MapAndOpen(procfd, pid, uids, gids);
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  if (!fd.ok()) return Annotate(fd.status(), "new user namespace");
  return fd;
}

}  // namespace gantry::sys
