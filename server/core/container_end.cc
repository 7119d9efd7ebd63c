#include "server/core/container_end.h"

#include <signal.h>

#include <utility>

#include "glog/logging.h"
#include "runtime/base/status.h"
#include "server/core/container_steps.h"
#include "server/core/publish.h"
#include "server/core/records.h"

namespace gantry::core {
namespace {

constexpr int kKilledExitCode = 128 + SIGKILL;

// A pod whose shared PID namespace has gone takes no more containers.
work::Task<void> NotePauseEnd(Node& node, std::string pod_id) {
  work::KeyedLock::Guard guard = co_await node.pod_locks.Acquire(pod_id);
  absl::StatusOr<PodPtr> pod = node.pods.Get(pod_id);
  if (!pod.ok() || (*pod)->state() != record::PodRecord::READY) co_return;
  record::PodRecord stopped = **pod;
  stopped.set_state(record::PodRecord::NOT_READY);
  KeepRecord(node, stopped);
  PublishPodEvent(node, Event::Kind::kStopped, pod_id);
}

}  // namespace

absl::string_view ReasonOf(const shim::Exited& exited) {
  if (exited.oom_kills() > 0 && exited.exit_code() == kKilledExitCode) {
    return "OOMKilled";
  }
  return exited.exit_code() == 0 ? "Completed" : "Error";
}

void SetShimLost(record::ContainerRecord& container, int64_t now) {
  container.set_state(record::ContainerRecord::EXITED);
  container.mutable_exited()->set_exit_code(kKilledExitCode);
  container.mutable_exited()->set_signal(SIGKILL);
  container.mutable_exited()->set_finished_at(now);
  container.set_reason("ShimLost");
  container.set_message("the container's shim ended without an exit record");
}

work::Task<void> NoteEnd(Node& node, std::string id,
                         shim_client::ExitOutcome outcome) {
  absl::StatusOr<ContainerPtr> container = node.containers.Get(id);
  if (!container.ok()) co_return;
  const std::string cgroup_path = (*container)->spec().cgroup_path();
  if (outcome.shim_lost) {
    absl::Status swept = co_await KillRemains(node, cgroup_path);
    LOG_IF(ERROR, !swept.ok())
        << "container " << id << ": sweep after its shim was lost: " << swept;
  }
  int64_t now = node.clock.UnixNanos();
  bool first = false;
  absl::Status noted = co_await NoteInRecord(
      node, id, [&outcome, &first, now](record::ContainerRecord& record) {
        first = record.state() == record::ContainerRecord::RUNNING ||
                record.state() == record::ContainerRecord::STARTING;
        if (!first) return;
        if (outcome.shim_lost) {
          SetShimLost(record, now);
          return;
        }
        record.set_state(record::ContainerRecord::EXITED);
        *record.mutable_exited() = outcome.exited;
        record.set_reason(std::string(ReasonOf(outcome.exited)));
      });
  LOG_IF(ERROR, !noted.ok() && !absl::IsNotFound(noted))
      << "container " << id << ": note its end: " << noted;
  node.shims.Drop(id);
  node.exits.NoteEnd(id);
  if (first && (*container)->spec().pause()) {
    // Not awaited: whoever stops the pod holds its lock and waits for us.
    node.tasks.Start(NotePauseEnd(node, (*container)->pod_id()));
  }
}

void AwaitEnd(Node& node, std::string id, Shims::Ptr client) {
  client->OnExit([&node, id](shim_client::ExitOutcome outcome) {
    node.executor.Post([&node, id, outcome = std::move(outcome)]() mutable {
      node.tasks.Start(NoteEnd(node, id, std::move(outcome)));
    });
  });
}

}  // namespace gantry::core
