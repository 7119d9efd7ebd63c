#include <fcntl.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "glog/logging.h"
#include "runtime/base/id.h"
#include "runtime/base/status.h"
#include "runtime/cdi/registry.h"
#include "runtime/plan/planner.h"
#include "runtime/sys/file.h"
#include "server/core/cdi_devices.h"
#include "server/core/change_limits.h"
#include "server/core/container_service.h"
#include "server/core/container_spec.h"
#include "server/core/container_steps.h"
#include "server/core/host_paths.h"
#include "server/core/image_mounts.h"
#include "server/core/layer_limit.h"
#include "server/core/log_policy.h"
#include "server/core/names.h"
#include "server/core/pod_steps.h"
#include "server/core/publish.h"
#include "server/core/records.h"
#include "server/core/selinux_labels.h"
#include "server/core/signals.h"

namespace gantry::core {
namespace {

// Small: "hostname" of the pod's run directory.
constexpr size_t kHostnameLimit = 256;

absl::StatusOr<std::string> ReadHostname(const Node& node,
                                         const record::PodRecord& pod) {
  ASSIGN_OR_RETURN(std::string content,
                   sys::ReadFileAt(AT_FDCWD,
                                   absl::StrCat(node.paths.PodRun(pod.id()),
                                                "/", kHostnameFile),
                                   kHostnameLimit));
  return std::string(absl::StripSuffix(content, "\n"));
}

absl::StatusOr<int> StopSignal(const ContainerRequest& request,
                               const record::ImageConfigRecord& image) {
  if (request.stop_signal != 0) return request.stop_signal;
  if (image.stop_signal().empty()) return 0;
  return ParseSignal(image.stop_signal());
}

absl::StatusOr<record::ContainerRecord> NewRecord(
    const Node& node, const ContainerRequest& request,
    const record::PodRecord& pod, const record::ImageRecord& image) {
  record::ContainerRecord container;
  container.set_id(NewId());
  container.set_pod_id(pod.id());
  container.set_name(ContainerName(request.metadata, pod.metadata()));
  container.set_state(record::ContainerRecord::CREATING);
  *container.mutable_metadata() = request.metadata;
  container.mutable_labels()->insert(request.labels.begin(),
                                     request.labels.end());
  container.mutable_annotations()->insert(request.annotations.begin(),
                                          request.annotations.end());
  container.set_cri_config(request.cri_config);
  container.set_image_id(image.id());
  container.set_image_ref(request.image);
  for (const record::ImageLayer& layer : image.layers()) {
    container.add_layer_diff_ids(layer.diff_id());
  }
  container.set_created_at(node.clock.UnixNanos());
  container.set_boot_id(node.boot_id);
  ASSIGN_OR_RETURN(int stop_signal, StopSignal(request, image.config()));
  container.set_stop_signal(stop_signal);
  ASSIGN_OR_RETURN(std::string hostname, ReadHostname(node, pod));
  ASSIGN_OR_RETURN(*container.mutable_spec(),
                   CompleteSpec(request, image.config(), pod, hostname,
                                container.id(), node.paths));
  SetSelinuxLabels(node, pod, *container.mutable_spec()->mutable_security());
  ASSIGN_OR_RETURN(uint64_t limit,
                   LayerLimit(node.writable_layer_size, container, pod));
  container.mutable_spec()->mutable_rootfs()->set_size_limit(limit);
  ASSIGN_OR_RETURN(
      *container.mutable_spec()->mutable_stdio()->mutable_log_policy(),
      LogPolicyOf(node.log_policy, container, pod));
  return container;
}

absl::Status PrepareRootfs(Node& node, const std::vector<std::string>& lowers,
                           record::ContainerRecord& container) {
  ASSIGN_OR_RETURN(
      rootfs::OverlayPlan overlay,
      node.snapshotter.Prepare(container.id(), lowers,
                               container.spec().rootfs().size_limit()));
  spec::Rootfs& rootfs = *container.mutable_spec()->mutable_rootfs();
  rootfs.set_layers_dir(overlay.layers_dir);
  rootfs.mutable_lower_dirs()->Assign(overlay.lower_dirs.begin(),
                                      overlay.lower_dirs.end());
  rootfs.set_upper_dir(overlay.upper);
  rootfs.set_work_dir(overlay.work);
  rootfs.set_mount_point(absl::StrCat(node.paths.ContainerRun(container.id()),
                                      "/", kRootfsDirectory));
  return absl::OkStatus();
}

// Everything on the host but processes. What could not be started is refused.
absl::Status MakeContainer(Node& node, const std::vector<std::string>& lowers,
                           record::ContainerRecord& container) {
  RETURN_IF_ERROR(PrepareHostPaths(container.spec()));
  RETURN_IF_ERROR(PrepareRootfs(node, lowers, container));
  RETURN_IF_ERROR(
      plan::BuildPlan(container.spec(), node.host_facts, node.seccomp));
  container.set_state(record::ContainerRecord::CREATED);
  return SaveRecord(node, container);
}

absl::Status AddCdiDevices(const Node& node, ContainerRequest& request) {
  ASSIGN_OR_RETURN(cdi::Edits edits,
                   cdi::FindEdits(node.cdi_directories, request.cdi_devices));
  return ApplyCdiEdits(edits, request.spec);
}

// A container of this name exists already: the answer of a repeated Create.
absl::StatusOr<std::string> AnswerRepeated(const record::ContainerRecord& first,
                                           const ContainerRequest& request) {
  if (first.state() == record::ContainerRecord::CREATED &&
      first.cri_config() == request.cri_config) {
    return first.id();
  }
  return absl::AlreadyExistsError(absl::StrCat(
      "container name ", first.name(), " is held by container ", first.id(),
      " in state ", record::ContainerRecord::State_Name(first.state()),
      first.state() == record::ContainerRecord::CREATED
          ? " with another configuration"
          : "; remove it first"));
}

}  // namespace

work::Task<absl::StatusOr<std::string>> ContainerService::Create(
    ContainerRequest request) {
  co_await node_.executor.Schedule();
  CO_ASSIGN_OR_RETURN(PodPtr pod, node_.pods.Get(request.pod_id));
  const std::string pod_id = pod->id();
  // A repeated request waits here for the first one's end.
  work::KeyedLock::Guard guard = co_await node_.pod_locks.Acquire(pod_id);
  CO_ASSIGN_OR_RETURN(pod, node_.pods.Get(pod_id));
  if (pod->state() != record::PodRecord::READY) {
    co_return absl::FailedPreconditionError(
        absl::StrCat("create container ", request.metadata.name(), ": pod ",
                     pod_id, " is not READY"));
  }
  const std::string name = ContainerName(request.metadata, pod->metadata());
  if (ContainerPtr first = node_.containers.FindByName(name)) {
    if (first->state() != record::ContainerRecord::REMOVING &&
        first->state() != record::ContainerRecord::CREATING) {
      co_return AnswerRepeated(*first, request);
    }
    // What an attempt that failed could not take down then goes now.
    absl::Status removed = co_await RemoveContainer(node_, first->id());
    CO_RETURN_IF_ERROR(removed) << "remove the half-made container " << name;
  }

  CO_ASSIGN_OR_RETURN(record::ImageRecord image,
                      node_.images.Resolve(request.image));
  // Held until the record names the layers.
  CO_ASSIGN_OR_RETURN(image::ImageStore::Lowers lowers,
                      node_.images.LowersOf(image));
  if (!request.cdi_devices.empty()) {
    absl::Status devices = co_await work::RunOn(
        node_.blocking_executor, node_.executor,
        [this, &request] { return AddCdiDevices(node_, request); });
    CO_RETURN_IF_ERROR(devices) << "create container " << name;
  }
  CO_ASSIGN_OR_RETURN(record::ContainerRecord container,
                      NewRecord(node_, request, *pod, image));
  CO_RETURN_IF_ERROR(CheckLimits(node_, container.spec().resources()))
      << "create container " << name;
  if (container.spec().rootfs().size_limit() > 0) {
    CO_RETURN_IF_ERROR(node_.snapshotter.CanLimit())
        << "create container " << name << ": limit its writable layer";
  }
  // Held as long.
  CO_ASSIGN_OR_RETURN(
      std::vector<image::ImageStore::Lowers> volumes,
      ResolveImageMounts(node_.images, node_.paths.Layers(), container));
  CO_RETURN_IF_ERROR(
      plan::CheckSeccomp(container.spec(), node_.host_facts, node_.seccomp))
      << "create container " << name;
  CO_RETURN_IF_ERROR(CreateRecord(node_, container));
  absl::Status made = co_await work::RunOn(
      node_.blocking_executor, node_.executor, [this, &lowers, &container] {
        return MakeContainer(node_, lowers.dirs, container);
      });
  if (!made.ok()) {
    absl::Status undone = co_await RemoveContainer(node_, container.id());
    LOG_IF(WARNING, !undone.ok())
        << "container " << container.id() << " could not be undone: " << undone;
    CO_RETURN_IF_ERROR(made) << "create container " << name;
  }
  PublishContainerEvent(node_, Event::Kind::kCreated, container);
  co_return container.id();
}

work::Task<absl::Status> RunPause(Node& node, record::PodRecord& pod,
                                  StepScope steps) {
  record::ContainerRecord pause;
  pause.set_id(NewId());
  pause.set_pod_id(pod.id());
  pause.set_name(absl::StrCat("pause/", pod.name()));
  pause.set_state(record::ContainerRecord::CREATED);
  pause.set_created_at(node.clock.UnixNanos());
  pause.set_boot_id(node.boot_id);
  *pause.mutable_spec() = PauseSpec(pod, pause.id());
  pod.set_pause_id(pause.id());
  CO_RETURN_IF_ERROR(SaveRecord(node, pod));
  CO_RETURN_IF_ERROR(CreateRecord(node, pause));
  co_return co_await LaunchContainer(node, pause.id(), steps);
}

}  // namespace gantry::core
