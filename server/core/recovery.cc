#include "server/core/recovery.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "server/core/container_end.h"
#include "server/core/container_steps.h"
#include "server/core/pod_attach.h"
#include "server/core/pod_steps.h"
#include "server/core/process_identity.h"
#include "server/core/records.h"
#include "server/core/sweep.h"
#include "server/shim/exit_record.h"
#include "server/work/keyed_lock.h"
#include "server/work/loop_thread.h"
#include "server/work/one_shot.h"
#include "server/work/when_all.h"

namespace gantry::core {
namespace {

using record::ContainerRecord;
using record::PodRecord;

// How long a shim that lives may take to end its start or to answer.
constexpr absl::Duration kShimPatience = absl::Seconds(70);
constexpr absl::Duration kShimPoll = absl::Milliseconds(5);
// How long all pods wait for those whose shims do not answer.
constexpr absl::Duration kStartPatience = absl::Seconds(5);

// A shim shares the lock that the server took on the run directory it donated
// (container_launch.cc), so the lock tells of a shim even before it listens.
bool HasShim(int run_dir_fd) {
  if (::flock(run_dir_fd, LOCK_EX | LOCK_NB) != 0) return true;
  ::flock(run_dir_fd, LOCK_UN);
  return false;
}

struct Found {
  Shims::Ptr client;
  shim::State state;
};

// The container's shim, once its start has come to an end; nothing if there is
// none (any more).
work::Task<std::optional<Found>> FindShim(Node& node, const UniqueFd& run) {
  const int64_t deadline =
      node.clock.BootNanos() + absl::ToInt64Nanoseconds(kShimPatience);
  while (HasShim(run.get()) && node.clock.BootNanos() < deadline) {
    absl::StatusOr<std::unique_ptr<shim_client::ShimClient>> client =
        co_await shim_client::ShimClient::Connect(node.loop, node.executor,
                                                  run.get());
    if (client.ok()) {
      Found found;
      found.client = *std::move(client);
      absl::StatusOr<shim::State> state = co_await found.client->GetState();
      if (state.ok() && (state->has_started() || state->has_exited())) {
        found.state = *std::move(state);
        co_return found;
      }
    }
    co_await node.loop.Sleep(kShimPoll);
  }
  co_return std::nullopt;
}

work::Task<absl::Status> Adopt(Node& node, std::string id, Found found) {
  node.shims.Put(id, found.client);
  RecordChange adopt = [&found](ContainerRecord& container) {
    // Cut short before its record said RUNNING: a repeated StartContainer must
    // find its wish fulfilled.
    if (container.state() == ContainerRecord::STARTING) {
      container.set_start_unacknowledged(!container.spec().pause());
    }
    container.set_state(ContainerRecord::RUNNING);
    *container.mutable_started() = found.state.started();
  };
  absl::Status adopted = co_await NoteInRecord(node, id, std::move(adopt));
  for (const std::string& what : found.state.started().degraded()) {
    node.degraded.Add(what);
  }
  AwaitEnd(node, id, found.client);
  co_return adopted;
}

// The shim never came to be, or undid what it had begun: start it again.
work::Task<absl::Status> BackToCreated(Node& node, std::string id) {
  co_return co_await NoteInRecord(node, id, [](ContainerRecord& container) {
    container.set_state(ContainerRecord::CREATED);
  });
}

work::Task<absl::Status> FindAgain(Node& node, ContainerPtr container) {
  const std::string id = container->id();
  absl::StatusOr<UniqueFd> run = sys::OpenAt(
      AT_FDCWD, node.paths.ContainerRun(id), O_RDONLY | O_DIRECTORY);
  if (run.ok()) {
    std::optional<Found> found = co_await FindShim(node, *run);
    if (found.has_value() && !found->state.has_exited()) {
      co_return co_await Adopt(node, id, *std::move(found));
    }
    if (!found.has_value() && HasShim(run->get())) {
      // Given up: its container goes, and nobody would ever end it.
      absl::Status killed = KillShimOf(container->started());
      LOG(ERROR) << "container " << id << ": its shim does not answer and is "
                 << "killed: " << killed;
    }
    absl::StatusOr<shim::Exited> exited =
        shim_client::ReadExitRecord(run->get());
    // A shim that could not write it is still there to tell.
    if (!exited.ok() && found.has_value()) exited = found->state.exited();
    if (exited.ok()) {
      shim_client::ExitOutcome ended;
      ended.exited = *exited;
      co_await NoteEnd(node, id, std::move(ended));
      co_return absl::OkStatus();
    }
    LOG_IF(ERROR, !absl::IsNotFound(exited.status()))
        << "container " << id << ": " << exited.status();
  }
  if (container->state() == ContainerRecord::STARTING) {
    absl::Status killed =
        co_await KillRemains(node, container->spec().cgroup_path());
    CO_RETURN_IF_ERROR(killed);
    co_return co_await BackToCreated(node, id);
  }
  shim_client::ExitOutcome lost;
  lost.shim_lost = true;
  co_await NoteEnd(node, id, std::move(lost));
  co_return absl::OkStatus();
}

work::Task<void> RecoverContainer(Node& node, ContainerPtr container) {
  absl::Status status;
  switch (FateOf(*container, node.boot_id)) {
    case ContainerFate::kKeep:
      break;
    case ContainerFate::kFindShim:
      status = co_await FindAgain(node, container);
      break;
    case ContainerFate::kNoteLost:
      status = co_await NoteInRecord(
          node, container->id(), [&node](ContainerRecord& lost) {
            SetShimLost(lost, node.clock.UnixNanos());
            lost.set_message("the machine was restarted");
          });
      break;
    case ContainerFate::kRemove:
      status = co_await RemoveContainer(node, container->id());
      break;
  }
  // Its record stays; Stop and Remove can finish what this could not.
  LOG_IF(ERROR, !status.ok())
      << "recover container " << container->id() << ": " << status;
}

void NoteStopped(Node& node, PodRecord pod) {
  pod.set_state(PodRecord::NOT_READY);
  pod.clear_ips();
  KeepRecord(node, pod);
}

work::Task<void> RecoverPod(Node& node, PodPtr pod) {
  absl::Status status;
  switch (FateOf(*pod, node.boot_id)) {
    case PodFate::kKeep:
      // Stopped, and killed or without room before it was noted down.
      if (pod->state() == PodRecord::READY && !HasNamespaces(node, *pod)) {
        NoteStopped(node, *pod);
      }
      break;
    case PodFate::kNoteStopped:
      NoteStopped(node, *pod);
      break;
    case PodFate::kRemove:
      status = co_await RemovePod(node, *pod);
      break;
  }
  LOG_IF(ERROR, !status.ok()) << "recover pod " << pod->id() << ": " << status;
}

work::Task<void> RecoverAndNote(Node& node, StartProgress& progress,
                                ContainerPtr container) {
  co_await RecoverContainer(node, std::move(container));
  progress.NoteContainer();
}

// All of a pod. Its lock is held: who comes meanwhile waits for it.
work::Task<void> RecoverWhole(Node& node, StartProgress& progress,
                              std::string pod_id,
                              std::vector<ContainerPtr> containers) {
  work::KeyedLock::Guard guard = co_await node.pod_locks.Acquire(pod_id);
  std::vector<work::Task<void>> tasks;
  for (ContainerPtr& container : containers) {
    tasks.push_back(RecoverAndNote(node, progress, std::move(container)));
  }
  co_await work::WhenAll(node.executor, std::move(tasks));
  absl::StatusOr<PodPtr> pod = node.pods.Get(pod_id);
  if (pod.ok()) co_await RecoverPod(node, *std::move(pod));
}

// Those that are not done yet, for the log.
class Waiting {
 public:
  void Add(const std::string& pod_id) {
    absl::MutexLock lock(&mutex_);
    pods_.insert(pod_id);
  }
  // Whether it was the last one.
  bool Remove(const std::string& pod_id) {
    absl::MutexLock lock(&mutex_);
    pods_.erase(pod_id);
    return pods_.empty();
  }
  std::set<std::string> Pods() const {
    absl::MutexLock lock(&mutex_);
    return pods_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::set<std::string> pods_ ABSL_GUARDED_BY(mutex_);
};

work::Task<void> RecoverOneOf(Node& node, StartProgress& progress,
                              std::string pod_id,
                              std::vector<ContainerPtr> containers,
                              std::shared_ptr<Waiting> waiting,
                              work::OneShot<bool> all, int64_t begin) {
  co_await node.executor.Schedule();
  co_await RecoverWhole(node, progress, pod_id, std::move(containers));
  const absl::Duration took = absl::Nanoseconds(node.clock.BootNanos() - begin);
  LOG_IF(WARNING, took > kStartPatience)
      << "pod " << pod_id << " is recovered after " << took;
  if (waiting->Remove(pod_id)) all.Set(true);
}

// Every pod, and containers whose pod has no sound record by its id as well.
// Those whose shims do not answer go on by themselves once the patience is
// over.
work::Task<void> RecoverPods(Node& node, StartProgress& progress) {
  const int64_t begin = node.clock.BootNanos();
  std::map<std::string, std::vector<ContainerPtr>> pods;
  for (const PodPtr& pod : node.pods.List()) pods[pod->id()];
  std::vector<ContainerPtr> containers = node.containers.List();
  progress.Expect(containers.size());
  for (ContainerPtr& container : containers) {
    pods[container->pod_id()].push_back(std::move(container));
  }
  if (pods.empty()) co_return;
  LOG(INFO) << "recovering " << containers.size() << " containers of "
            << pods.size() << " pods";
  auto waiting = std::make_shared<Waiting>();
  for (const auto& [id, unused] : pods) waiting->Add(id);
  work::OneShot<bool> all(node.executor);
  for (auto& [id, of_pod] : pods) {
    node.tasks.Start(RecoverOneOf(node, progress, id, std::move(of_pod),
                                  waiting, all, begin));
  }
  work::Timeout late =
      node.loop.SetTimeout(kStartPatience, [all] { all.Set(false); });
  const bool done = co_await all.Wait();
  if (done) co_return;
  for (const std::string& id : waiting->Pods()) {
    LOG(WARNING) << "pod " << id
                 << ": a shim or a network plugin does not answer; all other "
                    "pods are served";
  }
}

// Puts every sound record into `index`; what is damaged is to be set aside, or
// left to the sweep.
template <typename Record>
absl::Status Load(state::RecordStore& store, Index<Record>& index,
                  bool new_boot, std::vector<std::string>& damaged) {
  ASSIGN_OR_RETURN(std::vector<state::RecordStore::Listed> listed,
                   store.List());
  for (state::RecordStore::Listed& entry : listed) {
    // Killed before its first record or after its last: for the sweep.
    if (absl::IsNotFound(entry.payload.status())) continue;
    Record record;
    absl::Status status = entry.payload.status();
    if (status.ok() &&
        (!record.ParseFromString(*entry.payload) || record.id() != entry.id)) {
      status = absl::DataLossError("it is not its record");
    }
    if (status.ok()) {
      index.Put(std::move(record));
    } else if (new_boot && absl::IsDataLoss(status)) {
      LOG(WARNING) << "record of " << entry.id << ": " << status
                   << "; it is of an earlier boot, and is removed";
    } else {
      LOG(ERROR) << "record of " << entry.id << ": " << status;
      damaged.push_back(entry.id);
    }
  }
  return absl::OkStatus();
}

// Pods whose record is damaged, or gone while containers of theirs are there.
std::set<std::string> LostPods(const Node& node,
                               const std::vector<std::string>& damaged) {
  std::set<std::string> lost(damaged.begin(), damaged.end());
  for (const ContainerPtr& container : node.containers.List()) {
    if (!node.pods.Get(container->pod_id()).ok()) {
      lost.insert(container->pod_id());
    }
  }
  return lost;
}

}  // namespace

ContainerFate FateOf(const ContainerRecord& container,
                     const std::string& boot_id) {
  switch (container.state()) {
    case ContainerRecord::CREATED:
    case ContainerRecord::EXITED:
      return ContainerFate::kKeep;
    case ContainerRecord::STARTING:
    case ContainerRecord::RUNNING:
      return container.boot_id() == boot_id ? ContainerFate::kFindShim
                                            : ContainerFate::kNoteLost;
    default:
      return ContainerFate::kRemove;
  }
}

PodFate FateOf(const PodRecord& pod, const std::string& boot_id) {
  switch (pod.state()) {
    case PodRecord::READY:
      return pod.boot_id() == boot_id ? PodFate::kKeep : PodFate::kNoteStopped;
    case PodRecord::NOT_READY:
      return PodFate::kKeep;
    default:
      return PodFate::kRemove;
  }
}

work::Task<absl::Status> Recover(Node& node, bool new_boot,
                                 StartProgress& progress) {
  const int64_t begin = node.clock.BootNanos();
  std::vector<std::string> damaged_pods;
  std::vector<std::string> damaged_containers;
  CO_RETURN_IF_ERROR(Load(node.pod_records, node.pods, new_boot, damaged_pods));
  CO_RETURN_IF_ERROR(Load(node.container_records, node.containers, new_boot,
                          damaged_containers));

  // Before pods are taken down: they take their network down.
  co_await RecoverNetwork(node);

  const size_t pod_count = node.pods.List().size();
  const size_t container_count = node.containers.List().size();
  co_await RecoverPods(node, progress);

  for (const std::string& id : damaged_containers) {
    co_await SetAsideContainer(node, id);
  }
  for (const std::string& id : LostPods(node, damaged_pods)) {
    co_await EndLostPod(node, id);
  }
  for (const std::string& id : damaged_pods) {
    co_await SetAsidePod(node, id);
  }
  co_await SweepOrphans(node);
  // Plugins may take their time: nobody waits for them.
  node.tasks.Start(SweepNetwork(node));
  const std::vector<ContainerPtr> all = node.containers.List();
  LOG(INFO) << "recovered " << pod_count << " pods and " << container_count
            << " containers, "
            << std::count_if(all.begin(), all.end(),
                             [](const ContainerPtr& container) {
                               return container->state() ==
                                      ContainerRecord::RUNNING;
                             })
            << " of them running, in "
            << (node.clock.BootNanos() - begin) / 1'000'000 << " ms";
  co_return absl::OkStatus();
}

}  // namespace gantry::core
