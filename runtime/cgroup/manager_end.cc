// Manager's verbs that stop or end processes: Freeze, Thaw, Kill, Remove.

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/control_text.h"
#include "runtime/cgroup/directory.h"
#include "runtime/cgroup/wait.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {

namespace {

constexpr std::chrono::milliseconds kPatience(2000);

// The files by which one cgroup is frozen on this machine.
struct Freezer {
  int fd = -1;
  Version version = Version::kV1;
};

std::optional<Freezer> FindFreezer(const Hierarchies& hierarchies) {
  const auto v1 = hierarchies.Find("freezer");
  if (v1.has_value() && v1->version == Version::kV1) {
    return Freezer{hierarchies.fd(v1->hierarchy), Version::kV1};
  }
  // On cgroup2 every cgroup has it, from Linux 5.2 on.
  if (!hierarchies.unified().has_value()) return std::nullopt;
  return Freezer{hierarchies.fd(*hierarchies.unified()), Version::kV2};
}

absl::Status SetFrozen(const Freezer& freezer, const std::string& path,
                       bool frozen) {
  if (freezer.version == Version::kV1) {
    return sys::WriteFileAt(freezer.fd, absl::StrCat(path, "/freezer.state"),
                            frozen ? "FROZEN" : "THAWED");
  }
  return sys::WriteFileAt(freezer.fd, absl::StrCat(path, "/cgroup.freeze"),
                          frozen ? "1" : "0");
}

absl::StatusOr<bool> IsFrozen(const Freezer& freezer, const std::string& path) {
  if (freezer.version == Version::kV1) {
    ASSIGN_OR_RETURN(
        const std::string text,
        sys::ReadFileAt(freezer.fd, absl::StrCat(path, "/freezer.state")));
    return absl::StripAsciiWhitespace(text) == "FROZEN";
  }
  ASSIGN_OR_RETURN(
      const std::string text,
      sys::ReadFileAt(freezer.fd, absl::StrCat(path, "/cgroup.events")));
  return FindCount(text, "frozen") == 1;
}

// Also those below that were frozen on their own: SIGKILL works on a frozen v1
// process only when it runs again.
void ThawAll(const Freezer& freezer, const std::string& path) {
  SetFrozen(freezer, path, false).IgnoreError();
  const auto children = ChildCgroups(freezer.fd, path);
  if (!children.ok()) return;
  for (const std::string& child : *children) {
    ThawAll(freezer, absl::StrCat(path, "/", child));
  }
}

absl::StatusOr<std::vector<pid_t>> AllProcesses(const Hierarchies& hierarchies,
                                                const std::string& path) {
  std::vector<pid_t> pids;
  for (size_t i = 0; i < hierarchies.size(); ++i) {
    RETURN_IF_ERROR(AppendProcesses(hierarchies.fd(i), path, true, pids));
  }
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  return pids;
}

absl::Status KillEach(const std::vector<pid_t>& pids) {
  for (pid_t pid : pids) {
    if (pid == getpid()) {
      return absl::FailedPreconditionError(
          "the caller itself is in the cgroup to be killed");
    }
    if (kill(pid, SIGKILL) != 0 && errno != ESRCH) {
      return ErrnoStatus(errno, absl::StrCat("kill process ", pid));
    }
  }
  return absl::OkStatus();
}

absl::Status NoFreezer() {
  return absl::FailedPreconditionError(
      "freeze: this machine mounts neither a v1 freezer nor cgroup2");
}

}  // namespace

absl::Status Manager::Freeze() const {
  const auto freezer = FindFreezer(*hierarchies_);
  if (!freezer.has_value()) return NoFreezer();
  RETURN_IF_ERROR(SetFrozen(*freezer, path_, true)) << "freeze cgroup";
  Backoff backoff(kPatience);
  do {
    ASSIGN_OR_RETURN(const bool frozen, IsFrozen(*freezer, path_));
    if (frozen) return absl::OkStatus();
    // A v1 process born while its parent was being frozen is caught by asking
    // again.
    if (freezer->version == Version::kV1) {
      RETURN_IF_ERROR(SetFrozen(*freezer, path_, true)) << "freeze cgroup";
    }
  } while (backoff.Pause());
  SetFrozen(*freezer, path_, false).IgnoreError();
  return absl::DeadlineExceededError(
      absl::StrCat("freeze cgroup ", path_, ": not all processes stopped"));
}

absl::Status Manager::Thaw() const {
  const auto freezer = FindFreezer(*hierarchies_);
  if (!freezer.has_value()) return NoFreezer();
  RETURN_IF_ERROR(SetFrozen(*freezer, path_, false)) << "thaw cgroup";
  return absl::OkStatus();
}

// 1. cgroup2 kills all its members in one step, forks under way included.
// 2. Whoever is listed anywhere gets SIGKILL; and again, until a listing shows
//    nobody new. One that has been signalled forks no more, so then all have
//    been reached.
// 3. If there is somebody new after the first round, it is a race with forks:
//    from then on the rounds are run with the cgroup frozen.
// 4. All is thawed, else frozen v1 processes would stay.
absl::Status Manager::Kill() const {
  if (hierarchies_->unified().has_value()) {
    // Needs Linux 5.14; without it the rounds below do the work.
    sys::WriteFileAt(hierarchies_->fd(*hierarchies_->unified()),
                     absl::StrCat(path_, "/cgroup.kill"), "1")
        .IgnoreError();
  }
  const auto freezer = FindFreezer(*hierarchies_);
  std::vector<pid_t> reached;
  absl::Status status;
  Backoff backoff(kPatience);
  for (int round = 0;; ++round) {
    ASSIGN_OR_RETURN(const std::vector<pid_t> pids,
                     AllProcesses(*hierarchies_, path_));
    if (std::includes(reached.begin(), reached.end(), pids.begin(),
                      pids.end())) {
      break;
    }
    status = KillEach(pids);
    reached = pids;
    if (!status.ok()) break;
    if (round == 0) continue;
    if (!backoff.Pause()) {
      status = absl::DeadlineExceededError(
          absl::StrCat("kill cgroup ", path_, ": new processes keep coming"));
      break;
    }
    if (freezer.has_value()) SetFrozen(*freezer, path_, true).IgnoreError();
  }
  if (freezer.has_value() && !reached.empty()) ThawAll(*freezer, path_);
  return status;
}

absl::Status Manager::Remove(std::chrono::milliseconds patience) const {
  Backoff backoff(patience);
  for (;;) {
    absl::Status first;
    for (size_t i = 0; i < hierarchies_->size(); ++i) {
      absl::Status status = Annotate(RemoveCgroup(hierarchies_->fd(i), path_),
                                     (*hierarchies_)[i].mount_path);
      if (first.ok()) first = std::move(status);
    }
    const int error = ErrnoOf(first);
    if (first.ok() || (error != EBUSY && error != ENOTEMPTY)) return first;
    if (backoff.Pause()) continue;
    std::vector<pid_t> holders;
    if (auto pids = AllProcesses(*hierarchies_, path_); pids.ok()) {
      holders = *std::move(pids);
    }
    if (holders.size() > 10) holders.resize(10);
    return absl::DeadlineExceededError(absl::StrCat(
        first.message(), " (processes in it: ",
        holders.empty() ? "none" : absl::StrJoin(holders, " "), ")"));
  }
}

}  // namespace gantry::cgroup
