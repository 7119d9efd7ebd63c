#include "runtime/cgroup/subgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/directory.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {
namespace {

constexpr mode_t kMode = 0755;

}  // namespace

absl::StatusOr<Subgroup> Subgroup::Create(const Hierarchies& hierarchies,
                                          absl::string_view parent,
                                          absl::string_view name) {
  Subgroup group(hierarchies, absl::StrCat(parent, "/", name));
  RETURN_IF_ERROR(sys::MkdirAt(group.fd(), group.path_, kMode))
      << "make a cgroup";
  return group;
}

absl::StatusOr<UniqueFd> Subgroup::CloneTarget() const {
  if (!in_unified()) return UniqueFd();
  return sys::OpenAt(fd(), path_, O_PATH | O_DIRECTORY);
}

absl::Status Subgroup::AddProcess(pid_t pid) const {
  return sys::WriteFileAt(fd(), absl::StrCat(path_, "/cgroup.procs"),
                          absl::StrCat(pid));
}

absl::Status Subgroup::AddTo(SelfPlacement& placement) const {
  return placement.Add(*hierarchies_, hierarchies_->primary(), path_);
}

absl::StatusOr<bool> Subgroup::KillOnce() const {
  if (in_unified()) {
    absl::Status killed =
        sys::WriteFileAt(fd(), absl::StrCat(path_, "/cgroup.kill"), "1");
    if (killed.ok()) return true;
  }
  std::vector<pid_t> pids;
  RETURN_IF_ERROR(AppendProcesses(fd(), path_, /*recursive=*/true, pids));
  for (pid_t pid : pids) kill(pid, SIGKILL);
  return pids.empty();
}

absl::Status Subgroup::Signal(int signal) const {
  std::vector<pid_t> pids;
  RETURN_IF_ERROR(AppendProcesses(fd(), path_, /*recursive=*/true, pids));
  absl::Status first;
  for (pid_t pid : pids) {
    if (kill(pid, signal) == 0 || errno == ESRCH || !first.ok()) continue;
    first = ErrnoStatus(
        errno, absl::StrCat("send signal ", signal, " to process ", pid));
  }
  return first;
}

absl::Status Subgroup::Remove() const { return RemoveCgroup(fd(), path_); }

}  // namespace gantry::cgroup
