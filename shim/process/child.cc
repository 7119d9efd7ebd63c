#include "shim/process/child.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "runtime/base/status.h"
#include "runtime/sys/clone.h"
#include "runtime/sys/pidfd.h"
#include "shim/init/sync.h"

namespace gantry::shim {
namespace {

void KillAndReap(const Child& child) {
  sys::PidfdSendSignal(child.pidfd.get(), SIGKILL).IgnoreError();
  while (waitpid(child.pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

}  // namespace

absl::StatusOr<Child> StartChild(const cgroup::Manager& cgroup,
                                 const cgroup::Subgroup* group,
                                 uint64_t namespaces,
                                 const std::function<void(int sync_fd)>& body) {
  ASSIGN_OR_RETURN(init::SyncPair sync, init::MakeSyncPair());
  const bool into_group = group != nullptr && group->in_unified();
  ASSIGN_OR_RETURN(UniqueFd unified,
                   into_group ? group->CloneTarget() : cgroup.CloneTarget());
  Child child;
  sys::CloneArgs args;
  args.flags = namespaces;
  if (unified.valid()) args.cgroup_fd = unified.get();
  args.pidfd = &child.pidfd;
  ASSIGN_OR_RETURN(child.pid, sys::Clone3(args));
  if (child.pid == 0) {
    body(sync.child.get());
    _exit(127);
  }
  sync.child.Reset();
  absl::Status status = cgroup.AddProcess(child.pid, unified.valid());
  if (status.ok() && group != nullptr && !into_group) {
    status = group->AddProcess(child.pid);
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
