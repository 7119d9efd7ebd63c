#include "shim/process/child.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/self_placement.h"
#include "runtime/sys/clone.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/pipe.h"
#include "shim/init/sync.h"

namespace gantry::shim {
namespace {

// Many times what it takes.
constexpr int kPlacedMilliseconds = 100;

void KillAndReap(const Child& child) {
  sys::PidfdSendSignal(child.pidfd.get(), SIGKILL).IgnoreError();
  while (waitpid(child.pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

// Whether the child has moved itself: nobody who looks into the cgroup later
// may miss it. It says so by letting go of its end of a pipe, or why it could
// not. False if it has not come to that in time: a frozen cgroup stops it
// midway.
absl::StatusOr<bool> AwaitPlaced(int placed_fd, int sync_fd) {
  pollfd placed = {placed_fd, POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&placed, 1, kPlacedMilliseconds);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return ErrnoStatus(errno, "await its placement");
  if (ready == 0) return false;
  ASSIGN_OR_RETURN(const std::optional<init::Report> report,
                   init::ReadReport(sync_fd));
  if (!report.has_value()) return true;
  if (report->kind == init::Report::Kind::kFailed) return report->failure;
  return absl::UnavailableError("it ended before it stood in its cgroups");
}

// Moves a child that does not do so itself.
absl::Status Place(pid_t pid, const cgroup::Manager& cgroup, bool in_unified,
                   const cgroup::Subgroup* v1_group) {
  RETURN_IF_ERROR(cgroup.AddProcess(pid, in_unified));
  return v1_group == nullptr ? absl::OkStatus() : v1_group->AddProcess(pid);
}

}  // namespace

absl::StatusOr<Child> StartChild(const cgroup::Manager& cgroup,
                                 const cgroup::Subgroup* group,
                                 uint64_t namespaces,
                                 const std::function<void(int sync_fd)>& body) {
  ASSIGN_OR_RETURN(init::SyncPair sync, init::MakeSyncPair());
  const bool into_group = group != nullptr && group->in_unified();
  const cgroup::Subgroup* const v1_group = into_group ? nullptr : group;
  ASSIGN_OR_RETURN(UniqueFd unified,
                   into_group ? group->CloneTarget() : cgroup.CloneTarget());
  ASSIGN_OR_RETURN(cgroup::SelfPlacement placement, cgroup.PrepareSelf());
  if (v1_group != nullptr) {
    RETURN_IF_ERROR(v1_group->AddTo(placement));
  }
  sys::Pipe placed;
  if (!placement.empty()) {
    ASSIGN_OR_RETURN(placed, sys::MakePipe());
  }
  Child child;
  sys::CloneArgs args;
  args.flags = namespaces;
  if (unified.valid()) args.cgroup_fd = unified.get();
  args.pidfd = &child.pidfd;
  ASSIGN_OR_RETURN(child.pid, sys::Clone3(args));
  if (child.pid == 0) {
    const absl::Status joined = placement.Join();
    if (joined.ok()) {
      placed.read.Reset();
      placed.write.Reset();
      body(sync.child.get());
    } else {
      init::SendFailed(sync.child.get(), init::Stage::kSync, joined);
    }
    _exit(127);
  }
  sync.child.Reset();
  placed.write.Reset();
  absl::Status status;
  if (!placement.empty()) {
    const absl::StatusOr<bool> moved =
        AwaitPlaced(placed.read.get(), sync.parent.get());
    status = moved.status();
    if (moved.ok() && !*moved) {
      status = Place(child.pid, cgroup, unified.valid(), v1_group);
    }
  }
  if (status.ok()) status = init::SendGo(sync.parent.get());
  if (!status.ok()) {
    KillAndReap(child);
    return Annotate(status, "start a process of the container");
  }
  child.sync = std::move(sync.parent);
  return child;
}

}  // namespace gantry::shim
