#include "shim/pin/user_holder.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/sys/clone.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"

namespace gantry::shim {
namespace {

absl::Status WriteMap(pid_t pid, absl::string_view file, const IdRange& range) {
  return sys::WriteFileAt(
      AT_FDCWD, absl::StrCat("/proc/", pid, "/", file),
      absl::StrCat(range.inside, " ", range.outside, " ", range.length, "\n"));
}

}  // namespace

absl::StatusOr<UserHolder> UserHolder::Make(const UserNamespace& user,
                                            int flags) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return ErrnoStatus(errno, "make a pipe for the user namespace");
  }
  UniqueFd held(ends[0]);
  UniqueFd lifeline(ends[1]);
  UniqueFd pidfd;
  sys::CloneArgs args;
  // The kernel makes the user namespace first, so that it owns the others.
  args.flags = static_cast<uint64_t>(flags | CLONE_NEWUSER);
  args.pidfd = &pidfd;
  ASSIGN_OR_RETURN(const pid_t pid, sys::Clone3(args), "make a user namespace");
  if (pid == 0) {
    lifeline.Reset();
    char none;
    while (read(held.get(), &none, 1) < 0 && errno == EINTR) {
    }
    _exit(0);
  }
  UserHolder holder(pid, std::move(pidfd), std::move(lifeline));
  RETURN_IF_ERROR(WriteMap(pid, "uid_map", user.uids));
  RETURN_IF_ERROR(WriteMap(pid, "gid_map", user.gids));
  return holder;
}

UserHolder::~UserHolder() {
  // Moved from.
  if (!lifeline_) return;
  lifeline_.Reset();
  while (waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

absl::Status UserHolder::JoinAsRoot(int flags) const {
  if (flags == 0) return absl::OkStatus();
  return sys::SetNs(pidfd_.get(), flags);
}

std::string UserHolder::UserNamespacePath() const {
  return absl::StrCat("/proc/", pid_, "/ns/user");
}

}  // namespace gantry::shim
