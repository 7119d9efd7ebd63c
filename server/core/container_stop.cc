#include <signal.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "server/core/cgroups.h"
#include "server/core/container_service.h"
#include "server/core/container_steps.h"
#include "server/core/process_identity.h"

namespace gantry::core {
namespace {

// How long a SIGKILL sent by the shim may take before the server kills the
// cgroup itself, and how often that is tried. In all it is longer than a shim
// waits for a log that cannot be written (shim/loop/container_end.h).
constexpr absl::Duration kKillPatience = absl::Seconds(2);
constexpr int kKillRounds = 6;

// How often it is looked whether a program takes its stop signal: in doubling
// steps.
constexpr absl::Duration kFirstLook = absl::Milliseconds(2);
constexpr absl::Duration kLastLook = absl::Milliseconds(200);

bool HasProcesses(const record::ContainerRecord& container) {
  return container.state() == record::ContainerRecord::STARTING ||
         container.state() == record::ContainerRecord::RUNNING;
}

// Whether the container's end was noted down within `patience`.
work::Task<bool> WaitForEnd(Node& node, std::string id,
                            absl::Duration patience) {
  work::OneShot<bool> ended = node.exits.Watch(id);
  absl::StatusOr<ContainerPtr> container = node.containers.Get(id);
  if (!container.ok() || !HasProcesses(**container)) {
    // Its end may have been told before the watch was there, which nobody would
    // take away any more.
    node.exits.NoteEnd(id);
    co_return true;
  }
  work::Timeout timer =
      node.loop.SetTimeout(patience, [ended] { ended.Set(false); });
  co_return co_await ended.Wait();
}

// The pod is thawed as well: in a frozen one nothing ends on cgroup v1.
work::Task<absl::Status> KillCgroup(Node& node, std::string path) {
  co_return co_await work::RunOn(
      node.blocking_executor, node.executor, [&node, &path]() -> absl::Status {
        ASSIGN_OR_RETURN(cgroup::Manager cgroup,
                         cgroup::Manager::For(node.cgroups, path));
        RETURN_IF_ERROR(cgroup.Kill());
        ASSIGN_OR_RETURN(cgroup::Manager pod,
                         cgroup::Manager::For(node.cgroups, PodCgroupOf(path)));
        return pod.Thaw();
      });
}

// Asks the program to end and waits for that, at most `timeout`. A program that
// has only begun may have no handler yet, and the kernel would drop the signal:
// it is held back until it can be delivered.
work::Task<bool> EndGracefully(Node& node, const record::ContainerRecord& of,
                               Shims::Ptr shim, absl::Duration timeout) {
  const std::string id = of.id();
  const int signal = of.stop_signal() == 0 ? SIGTERM : of.stop_signal();
  // Whatever is done to the wall's clock meanwhile.
  const absl::Duration begin = absl::Nanoseconds(node.clock.BootNanos());
  const auto time_left = [&node, begin, timeout] {
    return begin + timeout - absl::Nanoseconds(node.clock.BootNanos());
  };
  absl::Duration pause = kFirstLook;
  while (DropsSignal(of.started(), signal)) {
    const absl::Duration left = time_left();
    if (left <= absl::ZeroDuration()) co_return false;
    bool ended = co_await WaitForEnd(node, id, std::min(pause, left));
    if (ended) co_return true;
    pause = std::min(2 * pause, kLastLook);
  }
  absl::Status sent = co_await shim->Signal(signal, /*all=*/false);
  LOG_IF(INFO, !sent.ok()) << "stop container " << id << ": " << sent;
  co_return co_await WaitForEnd(node, id,
                                std::max(time_left(), absl::ZeroDuration()));
}

// CREATED: it never ran and never will.
work::Task<absl::Status> EndUnstarted(Node& node, std::string id) {
  int64_t now = node.clock.UnixNanos();
  absl::Status ended = co_await NoteInRecord(
      node, id, [now](record::ContainerRecord& container) {
        container.set_state(record::ContainerRecord::EXITED);
        container.mutable_exited()->set_exit_code(128 + SIGTERM);
        container.mutable_exited()->set_finished_at(now);
        container.set_reason("Error");
        container.set_message("stopped before it was started");
      });
  node.exits.NoteEnd(id);
  co_return ended;
}

}  // namespace

work::Task<absl::Status> KillContainer(Node& node, std::string id) {
  absl::StatusOr<ContainerPtr> container = node.containers.Get(id);
  if (!container.ok() || !HasProcesses(**container)) {
    co_return absl::OkStatus();
  }
  // 1. The shim kills the first process, and with it a PID namespace.
  Shims::Ptr shim = node.shims.Get(id);
  bool answers = false;
  if (shim != nullptr) {
    absl::Status sent = co_await shim->Signal(SIGKILL, /*all=*/true);
    // NOT_FOUND: the program has ended, it still reads what that has said.
    answers = sent.ok() || absl::IsNotFound(sent);
    LOG_IF(INFO, !sent.ok()) << "kill container " << id << ": " << sent;
  }
  bool ended = co_await WaitForEnd(node, id, kKillPatience);

  // 2. A shim that is stuck is passed by: the cgroup has all processes.
  for (int round = 0; !ended && round < kKillRounds; ++round) {
    absl::Status killed =
        co_await KillCgroup(node, (*container)->spec().cgroup_path());
    LOG_IF(WARNING, !killed.ok()) << "kill container " << id << ": " << killed;
    // 3. A shim without a word goes too, and is noted as lost. Not one that
    //    answers: then it is the kernel that keeps the processes.
    if (round > 0 && shim != nullptr && !answers) shim->KillShim();
    ended = co_await WaitForEnd(node, id, kKillPatience);
  }
  if (ended) co_return absl::OkStatus();
  co_return absl::DeadlineExceededError(
      absl::StrCat("kill container ", id,
                   ": its processes do not end; they may be in "
                   "uninterruptible sleep"));
}

work::Task<absl::Status> ContainerService::Stop(std::string id,
                                                absl::Duration timeout) {
  co_await node_.executor.Schedule();
  absl::StatusOr<ContainerPtr> found = node_.containers.Get(id);
  if (absl::IsNotFound(found.status())) co_return absl::OkStatus();
  CO_RETURN_IF_ERROR(found);
  id = (*found)->id();
  {
    // A start under way comes to its end first.
    work::KeyedLock::Guard guard =
        co_await node_.pod_locks.Acquire((*found)->pod_id());
    found = node_.containers.Get(id);
    if (!found.ok()) co_return absl::OkStatus();
    if ((*found)->state() == record::ContainerRecord::CREATED) {
      co_return co_await EndUnstarted(node_, id);
    }
  }
  // From here on nothing is held: the grace period may be long.
  Shims::Ptr shim = node_.shims.Get(id);
  if (HasProcesses(**found) && shim != nullptr &&
      timeout > absl::ZeroDuration()) {
    bool ended = co_await EndGracefully(node_, **found, shim, timeout);
    if (ended) co_return absl::OkStatus();
  }
  absl::Status killed = co_await KillContainer(node_, id);
  co_return Annotate(killed, absl::StrCat("stop container ", id));
}

}  // namespace gantry::core
