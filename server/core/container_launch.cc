#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "proto/plan.pb.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/plan/planner.h"
#include "runtime/sys/file.h"
#include "server/core/cgroups.h"
#include "server/core/container_end.h"
#include "server/core/container_log.h"
#include "server/core/container_service.h"
#include "server/core/container_steps.h"
#include "server/core/image_volumes.h"
#include "server/core/process_identity.h"
#include "server/core/steps.h"

namespace gantry::core {
namespace {

constexpr mode_t kPrivateDirectory = 0700;
// The exit code peers report for a program that could not be started.
constexpr int kStartErrorExitCode = 128;
// Not while the client goes on with what it started; of what has ended by then
// nothing has to be written.
constexpr absl::Duration kAcknowledgeDelay = absl::Milliseconds(200);

// What a launch needs, held open until the shim has taken it over.
struct Prepared {
  plan::ContainerPlan plan;
  UniqueFd run_dir;
  UniqueFd log;
  std::vector<UniqueFd> joined;
};

// Locked: the lock goes with the descriptor to the shim, so that a server that
// starts anew can tell whether there is one (recovery.cc).
absl::StatusOr<UniqueFd> MakeRunDirectory(const Node& node,
                                          const std::string& id) {
  const std::string run = node.paths.ContainerRun(id);
  RETURN_IF_ERROR(sys::MkdirAllAt(
      AT_FDCWD, absl::StrCat(run, "/", kRootfsDirectory), kPrivateDirectory));
  ASSIGN_OR_RETURN(UniqueFd fd,
                   sys::OpenAt(AT_FDCWD, run, O_RDONLY | O_DIRECTORY));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return ErrnoStatus(
        errno, absl::StrCat("lock ", run, ", which a shim still holds"));
  }
  // What a shim that was killed in an earlier attempt left.
  RETURN_IF_ERROR(sys::UnlinkAt(fd.get(), kShimSocket));
  RETURN_IF_ERROR(sys::UnlinkAt(fd.get(), kExitRecord));
  return fd;
}

// The container whose PID namespace is joined.
absl::StatusOr<std::string> PidNamespaceHolder(
    const Node& node, const record::ContainerRecord& container) {
  if (container.spec().namespaces().pid() == spec::TARGET) {
    return container.spec().namespaces().target_id();
  }
  ASSIGN_OR_RETURN(PodPtr pod, node.pods.Get(container.pod_id()));
  return pod->pause_id();
}

absl::StatusOr<UniqueFd> OpenPidNamespace(
    const Node& node, const record::ContainerRecord& container) {
  ASSIGN_OR_RETURN(std::string holder_id, PidNamespaceHolder(node, container));
  ASSIGN_OR_RETURN(ContainerPtr holder, node.containers.Get(holder_id));
  if (holder->state() != record::ContainerRecord::RUNNING) {
    return absl::FailedPreconditionError(
        absl::StrCat("container ", holder_id,
                     ", whose PID namespace is to be joined, does not run"));
  }
  return OpenNamespaceOf(holder->started(), "pid");
}

// In the order of shim/donation.h: network, ipc, uts, pid, user.
absl::StatusOr<std::vector<UniqueFd>> OpenJoined(
    const Node& node, const record::ContainerRecord& container,
    const plan::NamespacePlan& namespaces) {
  std::vector<UniqueFd> joined;
  ASSIGN_OR_RETURN(UniqueFd pod_run,
                   sys::OpenAt(AT_FDCWD, node.paths.PodRun(container.pod_id()),
                               O_RDONLY | O_DIRECTORY));
  auto pinned = [&](plan::NamespacePlan::Source source,
                    absl::string_view pin) -> absl::Status {
    if (source != plan::NamespacePlan::JOIN) return absl::OkStatus();
    ASSIGN_OR_RETURN(UniqueFd fd, sys::OpenAt(pod_run.get(), pin, O_RDONLY),
                     "open the pod's namespace");
    joined.push_back(std::move(fd));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(pinned(namespaces.network(), kNetworkPin));
  RETURN_IF_ERROR(pinned(namespaces.ipc(), kIpcPin));
  RETURN_IF_ERROR(pinned(namespaces.uts(), kUtsPin));
  if (namespaces.pid() == plan::NamespacePlan::JOIN) {
    ASSIGN_OR_RETURN(UniqueFd pid, OpenPidNamespace(node, container));
    joined.push_back(std::move(pid));
  }
  RETURN_IF_ERROR(pinned(namespaces.user(), kUserPin));
  return joined;
}

// They are empty still: what comes into them counts for the layer's limit.
absl::Status CountVolumes(Node& node,
                          const record::ContainerRecord& container) {
  for (const spec::BindMount& mount : container.spec().mounts()) {
    if (!mount.image_volume()) continue;
    ASSIGN_OR_RETURN(UniqueFd volume, sys::OpenAt(AT_FDCWD, mount.host_path(),
                                                  O_RDONLY | O_DIRECTORY));
    RETURN_IF_ERROR(
        node.snapshotter.CountAsLayers(container.id(), volume.get()))
        << "volume " << mount.container_path();
  }
  return absl::OkStatus();
}

absl::StatusOr<Prepared> Prepare(Node& node,
                                 const record::ContainerRecord& container,
                                 StepSpan& step) {
  Prepared prepared;
  ASSIGN_OR_RETURN(
      prepared.plan,
      plan::BuildPlan(container.spec(), node.host_facts, node.seccomp));
  step.Next("make and open what the shim gets");
  RETURN_IF_ERROR(MakeImageVolumes(node.paths, container.spec()));
  RETURN_IF_ERROR(CountVolumes(node, container));
  ASSIGN_OR_RETURN(prepared.run_dir, MakeRunDirectory(node, container.id()));
  if (!container.spec().stdio().log_path().empty()) {
    ASSIGN_OR_RETURN(prepared.log,
                     OpenContainerLog(container.spec().stdio().log_path()));
  }
  ASSIGN_OR_RETURN(prepared.joined,
                   OpenJoined(node, container, prepared.plan.namespaces()));
  prepared.plan.mutable_cgroup()->set_await_placement(
      NeedsPlacement(container.spec().cgroup_path()));
  prepared.plan.set_trace_steps(step.inside().is_watched());
  return prepared;
}

work::Task<absl::StatusOr<shim_client::Launched>> Launch(
    Node& node, record::ContainerRecord container, StepScope steps) {
  StepSpan step(steps, "make the plan");
  CO_ASSIGN_OR_RETURN(Prepared prepared, Prepare(node, container, step));
  shim_client::LaunchRequest request;
  request.container_id = container.id();
  request.plan = prepared.plan.SerializeAsString();
  request.run_dir_fd = prepared.run_dir.get();
  request.log_fd = prepared.log.get();
  for (const UniqueFd& fd : prepared.joined) {
    request.join_fds.push_back(fd.get());
  }
  if (prepared.plan.cgroup().await_placement()) {
    request.place = [&node, &container](pid_t shim) {
      return PlaceShim(node, container, shim);
    };
  }
  if (steps.is_watched()) {
    request.on_step = [&step](absl::string_view name) { step.Next(name); };
  }
  absl::StatusOr<shim_client::Launched> launched =
      co_await node.launcher.Launch(std::move(request));
  if (launched.ok()) {
    AddShimSteps(launched->started, node.clock, step.inside());
    // They are no part of the record.
    launched->started.clear_steps();
  }
  co_return launched;
}

// The attempt left nothing but the record and the writable layer.
work::Task<absl::Status> NoteStartError(Node& node, std::string id,
                                        absl::Status error) {
  int64_t now = node.clock.UnixNanos();
  RecordChange note = [now, message = std::string(error.message())](
                          record::ContainerRecord& container) {
    container.set_state(record::ContainerRecord::EXITED);
    container.mutable_exited()->set_exit_code(kStartErrorExitCode);
    container.mutable_exited()->set_finished_at(now);
    container.set_reason("StartError");
    container.set_message(message);
  };
  co_return co_await NoteInRecord(node, std::move(id), std::move(note));
}

}  // namespace

work::Task<absl::Status> LaunchContainer(Node& node, std::string id,
                                         StepScope steps) {
  // 1. Written down first: a restart of the server looks for the shim then.
  StepSpan step(steps, "write the record STARTING");
  absl::Status starting = co_await UpdateRecord(
      node, id, [&node](record::ContainerRecord& container) {
        container.set_state(record::ContainerRecord::STARTING);
        container.set_boot_id(node.boot_id);
      });
  CO_RETURN_IF_ERROR(starting);
  CO_ASSIGN_OR_RETURN(ContainerPtr container, node.containers.Get(id));

  // 2. The shim does the rest and says how it went.
  step.End();
  absl::StatusOr<shim_client::Launched> launched =
      co_await Launch(node, *container, steps);
  if (!launched.ok()) {
    step.Next("undo the start");
    // A shim that was killed, or did not answer, has undone nothing.
    absl::Status killed =
        co_await KillRemains(node, container->spec().cgroup_path());
    LOG_IF(ERROR, !killed.ok())
        << "container " << id << ": after its failed start: " << killed;
    absl::Status noted = co_await NoteStartError(node, id, launched.status());
    LOG_IF(ERROR, !noted.ok()) << noted;
    co_return launched.status();
  }
  for (const std::string& what : launched->started.degraded()) {
    node.degraded.Add(what);
  }

  // 3. Running; from now on its end is awaited.
  step.Next("write the record RUNNING");
  Shims::Ptr client = std::move(launched->client);
  node.shims.Put(id, client);
  RecordChange run =
      [started = launched->started](record::ContainerRecord& container) {
        container.set_state(record::ContainerRecord::RUNNING);
        // A client that is not told in time must find its wish fulfilled when
        // it asks again. Nobody asks for a pause.
        container.set_start_unacknowledged(!container.spec().pause());
        *container.mutable_started() = started;
      };
  absl::Status running = co_await NoteInRecord(node, id, std::move(run));
  AwaitEnd(node, id, client);
  co_return running;
}

work::Task<absl::Status> ContainerService::Start(std::string id,
                                                 StepScope steps) {
  StepSpan waiting(steps, "wait for the pod's turn");
  co_await node_.executor.Schedule();
  CO_ASSIGN_OR_RETURN(ContainerPtr container, node_.containers.Get(id));
  id = container->id();
  work::KeyedLock::Guard guard =
      co_await node_.pod_locks.Acquire(container->pod_id());
  waiting.End();
  CO_ASSIGN_OR_RETURN(container, node_.containers.Get(id));
  if (container->start_unacknowledged() &&
      container->state() == record::ContainerRecord::RUNNING &&
      !WasStartTold(id)) {
    // The first attempt was cut short after it had succeeded.
    co_return absl::OkStatus();
  }
  if (container->state() != record::ContainerRecord::CREATED) {
    co_return absl::FailedPreconditionError(
        absl::StrCat("start container ", id, ": it is ",
                     record::ContainerRecord::State_Name(container->state()),
                     ", not CREATED"));
  }
  CO_ASSIGN_OR_RETURN(PodPtr pod, node_.pods.Get(container->pod_id()));
  if (pod->state() != record::PodRecord::READY) {
    co_return absl::FailedPreconditionError(absl::StrCat(
        "start container ", id, ": its pod ", pod->id(), " is not READY"));
  }
  absl::Status launched = co_await LaunchContainer(node_, id, steps);
  co_return Annotate(launched, absl::StrCat("start container ", id));
}

void ContainerService::NoteStartTold(absl::string_view id) {
  absl::StatusOr<ContainerPtr> container = node_.containers.Get(id);
  if (!container.ok() || !(*container)->start_unacknowledged()) return;
  absl::MutexLock lock(&mutex_);
  told_.insert((*container)->id());
}

bool ContainerService::WasStartTold(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  return told_.contains(id);
}

work::Task<void> ContainerService::AcknowledgeStart(std::string id) {
  absl::StatusOr<ContainerPtr> container = node_.containers.Get(id);
  if (container.ok()) id = (*container)->id();
  co_await node_.loop.Sleep(kAcknowledgeDelay);
  container = node_.containers.Get(id);
  absl::Status noted;
  if (container.ok() && (*container)->start_unacknowledged() &&
      (*container)->state() == record::ContainerRecord::RUNNING) {
    noted =
        co_await UpdateRecord(node_, id, [](record::ContainerRecord& started) {
          started.clear_start_unacknowledged();
        });
  }
  if (!noted.ok() && !absl::IsNotFound(noted)) {
    LOG(WARNING) << "container " << id
                 << ": note that its start was told: " << noted;
    co_return;  // still known here, until this server ends
  }
  absl::MutexLock lock(&mutex_);
  told_.erase(id);
}

}  // namespace gantry::core
