#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "runtime/base/id.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/net/ip.h"
#include "runtime/sys/atomic_write.h"
#include "runtime/sys/file.h"
#include "server/core/cgroups.h"
#include "server/core/names.h"
#include "server/core/pod_attach.h"
#include "server/core/pod_files.h"
#include "server/core/pod_service.h"
#include "server/core/pod_steps.h"
#include "server/core/publish.h"
#include "server/core/records.h"
#include "server/core/selinux_labels.h"
#include "server/core/steps.h"
#include "server/work/when_all.h"

namespace gantry::core {
namespace {

constexpr mode_t kPrivateDirectory = 0700;
constexpr mode_t kPrivateFile = 0600;
// Before a pod that could not be undone is tried again.
constexpr absl::Duration kUndoPause = absl::Seconds(1);
// What peers and Docker give a pod's /dev/shm.
constexpr uint64_t kPodShmBytes = 64 << 20;

record::PodRecord NewRecord(const Node& node, const PodRequest& request,
                            const std::string& name) {
  record::PodRecord pod;
  pod.set_id(NewId());
  pod.set_name(name);
  pod.set_state(record::PodRecord::CREATING);
  *pod.mutable_metadata() = request.metadata;
  pod.mutable_labels()->insert(request.labels.begin(), request.labels.end());
  pod.mutable_annotations()->insert(request.annotations.begin(),
                                    request.annotations.end());
  pod.set_cri_config(request.cri_config);
  pod.set_runtime_handler(request.runtime_handler);
  pod.set_log_directory(request.log_directory);
  *pod.mutable_namespaces() = request.namespaces;
  *pod.mutable_selinux_options() = request.selinux_options;
  pod.set_selinux_level(request.selinux_options.level().empty()
                            ? ChooseSelinuxLevel(node)
                            : request.selinux_options.level());
  *pod.mutable_overhead() = request.overhead;
  *pod.mutable_resources() = request.resources;
  pod.mutable_port_mappings()->Assign(request.ports.begin(),
                                      request.ports.end());
  pod.set_created_at(node.clock.UnixNanos());
  pod.set_boot_id(node.boot_id);
  pod.set_cgroup_path(PodCgroupPath(node, request.cgroup_parent, pod.id()));
  pod.set_own_network(request.namespaces.network() != spec::NODE);
  if (pod.own_network()) {
    pod.set_network_provider(node.network.ProviderForNewPods());
  }
  pod.set_own_ipc(request.namespaces.ipc() != spec::NODE);
  pod.set_own_uts(request.namespaces.uts() != spec::NODE);
  return pod;
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

// A pod of this name exists already: the answer of a repeated Run.
absl::StatusOr<std::string> AnswerRepeated(const record::PodRecord& first,
                                           const PodRequest& request) {
  if (first.state() == record::PodRecord::READY &&
      first.cri_config() == request.cri_config &&
      first.runtime_handler() == request.runtime_handler) {
    return first.id();
  }
  return absl::AlreadyExistsError(absl::StrCat(
      "pod name ", first.name(), " is held by pod ", first.id(), " in state ",
      record::PodRecord::State_Name(first.state()),
      first.state() == record::PodRecord::READY ? " with another configuration"
                                                : "; remove it first"));
}

// `result` and what else is referred to here and below: the caller's, which
// waits.
work::Task<void> WriteFiles(const PodRequest& request, int run_dir,
                            const std::string& hostname, StepScope steps,
                            absl::Status& result) {
  StepSpan step(steps, "write files");
  result = WritePodFiles(run_dir, request, hostname);
  co_return;
}

// For a thread to wait for.
struct PodCgroup {
  absl::Status made;
  absl::Notification done;
};

work::Task<void> MakeCgroup(Node& node, const record::PodRecord& pod,
                            StepScope steps, PodCgroup& cgroup) {
  StepSpan step(steps, "make the cgroup");
  absl::Status& result = cgroup.made;
  result = co_await OnCgroup(node, pod.cgroup_path(), [&node, &pod] {
    return MakePodCgroup(node, pod);
  });
  result = Annotate(result, absl::StrCat("make cgroup ", pod.cgroup_path()));
  cgroup.done.Notify();
}

// Its record is written while they are made.
work::Task<void> PinNamespaces(Node& node, const record::PodRecord& pod,
                               const PodRequest& request, int run_dir,
                               const std::string& hostname, StepScope steps,
                               absl::Status& result) {
  StepSpan step(steps, "make namespaces");
  const bool own_user = pod.namespaces().has_user();
  if (!pod.own_network() && !pod.own_ipc() && !pod.own_uts() && !own_user) {
    result = CreateRecord(node, pod);
    co_return;
  }
  absl::Status recorded;
  shim_client::PinRequest pin;
  pin.run_dir_fd = run_dir;
  pin.network = pod.own_network();
  pin.ipc = pod.own_ipc();
  pin.uts = pod.own_uts();
  if (own_user) pin.user = pod.namespaces().user();
  pin.hostname = pod.own_uts() ? hostname : "";
  pin.shm_size = pod.own_ipc() ? kPodShmBytes : 0;
  pin.shm_context = pod.own_ipc() ? PodFileLabel(node, pod) : "";
  pin.sysctls = request.sysctls;
  if (pod.own_network()) pin.sysctls.merge(NetworkSysctls(HostHasIpv6()));
  pin.meanwhile = [&node, &pod, &recorded, &step] {
    StepSpan write(step.inside(), "write the record CREATING");
    recorded = CreateRecord(node, pod);
  };
  result = co_await node.launcher.PinNamespaces(std::move(pin));
  result = Annotate(result, "make the pod's namespaces");
  if (result.ok()) result = recorded;
}

using Addresses = absl::StatusOr<std::vector<net::IpAddress>>;

work::Task<void> JoinNetwork(Node& node, const record::PodRecord& pod,
                             const PodRequest& request, StepScope steps,
                             PodCgroup& cgroup, Addresses& result) {
  StepSpan step(steps, "put the pod on the network");
  net::PodDns dns = {request.dns.servers, request.dns.searches,
                     request.dns.options};
  auto await_cgroup = [&cgroup] {
    cgroup.done.WaitForNotification();
    return cgroup.made.ok();
  };
  result = co_await AttachPod(node, pod, std::move(dns), await_cgroup);
}

void RemoveLater(Node& node, std::string id);

work::Task<void> TryToRemove(Node& node, std::string id) {
  co_await node.executor.Schedule();
  work::KeyedLock::Guard guard = co_await node.pod_locks.Acquire(id);
  absl::StatusOr<PodPtr> pod = node.pods.Get(id);
  if (!pod.ok()) co_return;
  absl::Status removed = co_await RemovePod(node, **pod);
  if (!removed.ok()) RemoveLater(node, std::move(id));
}

// What could not be undone for want of something: nobody else knows of it.
void RemoveLater(Node& node, std::string id) {
  node.loop
      .SetTimeout(kUndoPause,
                  [&node, id = std::move(id), open = node.unsaved] {
                    open->BeginRound([&node, &id] {
                      node.tasks.Start(TryToRemove(node, id));
                    });
                  })
      .Detach();
}

}  // namespace

work::Task<absl::Status> MakePod(Node& node, record::PodRecord& pod,
                                 const PodRequest& request, StepScope steps) {
  // 1. Its directory, and in it what tells of its cgroup: by these a start of
  //    the server finds what there is of a pod without a record.
  StepSpan step(steps, "make the run directory");
  CO_RETURN_IF_ERROR(sys::MkdirAllAt(AT_FDCWD, node.paths.PodRun(pod.id()),
                                     kPrivateDirectory));
  CO_ASSIGN_OR_RETURN(UniqueFd run,
                      sys::OpenAt(AT_FDCWD, node.paths.PodRun(pod.id()),
                                  O_RDONLY | O_DIRECTORY));
  CO_RETURN_IF_ERROR(sys::AtomicWriteAt(run.get(), kCgroupFile,
                                        pod.cgroup_path(), kPrivateFile,
                                        sys::Durability::kCrash));
  const std::string hostname = PodHostname(request, pod.id(), HostName());
  step.End();

  // 2. Its namespaces, pinned by mounts in that directory, and its record.
  // 3. Side by side: its network, if it has one of its own, which takes most of
  //    the time; its cgroup, which everything that runs for the pod runs below;
  //    files in that directory, most of which its containers see. Without a
  //    network all of it is done at once.
  absl::Status pinned, written;
  PodCgroup cgroup;
  Addresses addresses = std::vector<net::IpAddress>();
  std::vector<work::Task<void>> first, then;
  first.push_back(
      PinNamespaces(node, pod, request, run.get(), hostname, steps, pinned));
  if (pod.own_network()) {
    then.push_back(JoinNetwork(node, pod, request, steps, cgroup, addresses));
  }
  auto& beside = pod.own_network() ? then : first;
  beside.push_back(work::OnExecutor(
      node.executor, WriteFiles(request, run.get(), hostname, steps, written)));
  beside.push_back(MakeCgroup(node, pod, steps, cgroup));
  co_await work::Overlap(node.executor, std::move(first));
  CO_RETURN_IF_ERROR(pinned);
  co_await work::Overlap(node.executor, std::move(then));
  CO_RETURN_IF_ERROR(cgroup.made);
  CO_RETURN_IF_ERROR(addresses) << "put the pod on the network";
  CO_RETURN_IF_ERROR(written);

  // 4. The file that names its address.
  step.Next("write hosts");
  for (const net::IpAddress& ip : *addresses) pod.add_ips(ip.ToString());
  const std::string address = pod.ips().empty() ? "" : pod.ips(0);
  CO_RETURN_IF_ERROR(WriteHostsFile(run.get(), request, hostname, address));

  // 5. Someone to hold the PID namespace, if containers share one.
  if (pod.namespaces().pid() == spec::POD) {
    step.Next("run the pause");
    absl::Status pausing = co_await RunPause(node, pod, step.inside());
    CO_RETURN_IF_ERROR(pausing) << "run the pod's pause";
  }
  co_return absl::OkStatus();
}

work::Task<absl::StatusOr<std::string>> PodService::Run(PodRequest request,
                                                        StepScope steps) {
  StepSpan step(steps, "wait for the name's turn");
  co_await node_.executor.Schedule();
  const std::string name = PodName(request.metadata);
  // A repeated request waits here for the first one's end.
  work::KeyedLock::Guard name_guard =
      co_await node_.name_locks.Acquire(absl::StrCat("pod/", name));
  if (PodPtr first = node_.pods.FindByName(name)) {
    if (first->state() != record::PodRecord::REMOVING) {
      co_return AnswerRepeated(*first, request);
    }
    // What an attempt that failed could not take down then goes now.
    absl::Status removed = co_await Remove(first->id());
    CO_RETURN_IF_ERROR(removed) << "remove the half-made pod of that name";
  }

  step.End();
  record::PodRecord pod = NewRecord(node_, request, name);
  work::KeyedLock::Guard pod_guard = co_await node_.pod_locks.Acquire(pod.id());
  absl::Status made = co_await MakePod(node_, pod, request, steps);
  if (made.ok()) {
    step.Next("write the record READY");
    pod.set_state(record::PodRecord::READY);
    made = SaveRecord(node_, pod);
  }
  if (!made.ok()) {
    step.Next("take the pod down");
    // Without a record there is none to change.
    if (!node_.pods.Get(pod.id()).ok()) {
      pod.set_state(record::PodRecord::REMOVING);
    }
    absl::Status undone = co_await RemovePod(node_, pod);
    if (!undone.ok()) {
      LOG(WARNING) << "pod " << pod.id()
                   << " could not be undone, which is tried again: " << undone;
      pod.set_state(record::PodRecord::REMOVING);
      node_.pods.Put(pod);
      RemoveLater(node_, pod.id());
    }
    CO_RETURN_IF_ERROR(made) << "run pod " << name;
  }
  PublishPodEvent(node_, Event::Kind::kCreated, pod.id());
  PublishPodEvent(node_, Event::Kind::kStarted, pod.id());
  co_return pod.id();
}

absl::StatusOr<PodPtr> PodService::Get(absl::string_view id_or_prefix) const {
  return node_.pods.Get(id_or_prefix);
}

std::vector<PodPtr> PodService::List() const { return node_.pods.List(); }

}  // namespace gantry::core
