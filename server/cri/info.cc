#include "server/cri/info.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/image/assemble.h"
#include "server/cri/json_object.h"
#include "server/cri/translate_resources.h"

namespace gantry::cri {
namespace {

absl::string_view ModeName(spec::NamespaceMode mode) {
  switch (mode) {
    case spec::POD:
      return "POD";
    case spec::CONTAINER:
      return "CONTAINER";
    case spec::NODE:
      return "NODE";
    case spec::TARGET:
      return "TARGET";
    default:
      return "?";
  }
}

std::string NamespacesJson(const spec::Namespaces& namespaces) {
  JsonObject json;
  json.Text("network", ModeName(namespaces.network()))
      .Text("pid", ModeName(namespaces.pid()))
      .Text("ipc", ModeName(namespaces.ipc()))
      .Text("uts", ModeName(namespaces.uts()));
  if (!namespaces.target_id().empty()) {
    json.Text("target_id", namespaces.target_id());
  }
  return json.Finish();
}

// Where the container's root file system comes from and where it is seen. The
// merged directory is mounted in the container's own mount namespace: from
// outside it is reached through /proc/PID/root.
std::string RootfsJson(const record::ContainerRecord& container) {
  const spec::Rootfs& rootfs = container.spec().rootfs();
  std::vector<std::string> lower;
  for (const std::string& dir : rootfs.lower_dirs()) {
    lower.push_back(absl::StrCat(rootfs.layers_dir(), "/", dir));
  }
  JsonObject json;
  json.Texts("lower", lower)
      .Text("upper", rootfs.upper_dir())
      .Text("work", rootfs.work_dir())
      .Text("merged", rootfs.mount_point())
      .Flag("read_only", rootfs.read_only());
  if (container.state() == record::ContainerRecord::RUNNING) {
    json.Text("merged_seen_from_host",
              absl::StrCat("/proc/", container.started().pid(), "/root"));
  }
  return json.Finish();
}

std::string SecurityJson(const spec::Security& security) {
  JsonObject json;
  json.Flag("privileged", security.privileged())
      .Texts("capabilities", security.capabilities())
      .Texts("ambient_capabilities", security.ambient_capabilities())
      .Flag("no_new_privs", security.no_new_privs())
      .Text("seccomp",
            security.seccomp().kind() == spec::SeccompProfile::RUNTIME_DEFAULT
                ? "RuntimeDefault"
                : "Unconfined")
      .Text("apparmor_profile", security.apparmor_profile());
  return json.Finish();
}

std::string SpecJson(const spec::ContainerSpec& spec) {
  std::string mounts;
  for (const spec::BindMount& mount : spec.mounts()) {
    JsonObject json;
    json.Text("host_path", mount.host_path())
        .Text("container_path", mount.container_path())
        .Flag("read_only", mount.read_only());
    absl::StrAppend(&mounts, mounts.empty() ? "" : ",", json.Finish());
  }
  JsonObject json;
  json.Texts("args", spec.process().args())
      .Texts("env", spec.process().env())
      .Text("cwd", spec.process().cwd())
      .Text("user", spec.process().user().user())
      .Raw("namespaces", NamespacesJson(spec.namespaces()))
      .Raw("security", SecurityJson(spec.security()))
      .Raw("mounts", absl::StrCat("[", mounts, "]"))
      .Text("cgroup_path", spec.cgroup_path());
  return json.Finish();
}

std::string HistoryJson(const record::ImageConfigRecord& config) {
  std::string history;
  for (const record::ImageHistory& step : config.history()) {
    JsonObject json;
    json.Text("created", step.created())
        .Text("created_by", step.created_by())
        .Text("comment", step.comment())
        .Flag("empty_layer", step.empty_layer());
    absl::StrAppend(&history, history.empty() ? "" : ",", json.Finish());
  }
  return absl::StrCat("[", history, "]");
}

std::string ImageConfigJson(const record::ImageConfigRecord& config) {
  JsonObject labels;
  for (const auto& [name, value] : config.labels()) labels.Text(name, value);
  JsonObject json;
  json.Text("os", config.os())
      .Text("architecture", config.architecture())
      .Text("variant", config.variant())
      .Text("created", config.created())
      .Text("author", config.author())
      .Text("user", config.user())
      .Texts("env", config.env())
      .Texts("entrypoint", config.entrypoint())
      .Texts("cmd", config.cmd())
      .Text("working_dir", config.working_dir())
      .Texts("volumes", config.volumes())
      .Texts("exposed_ports", config.exposed_ports())
      .Text("stop_signal", config.stop_signal())
      .Raw("labels", labels.Finish());
  return json.Finish();
}

std::string LayersJson(const record::ImageRecord& image) {
  std::string layers;
  for (const record::ImageLayer& layer : image.layers()) {
    // Ours, and no layer of the image; "lower" has it.
    if (layer.media_type() == image::kDirectoriesLayer) continue;
    JsonObject json;
    json.Text("diff_id", layer.diff_id())
        .Text("digest", layer.blob_digest())
        .Number("size", layer.blob_size())
        .Text("media_type", layer.media_type());
    absl::StrAppend(&layers, layers.empty() ? "" : ",", json.Finish());
  }
  return absl::StrCat("[", layers, "]");
}

}  // namespace

std::string PodInfo(const record::PodRecord& pod,
                    const runtime::v1::PodSandboxConfig& config) {
  JsonObject json;
  json.Text("state", record::PodRecord::State_Name(pod.state()))
      .Text("cgroup_path", pod.cgroup_path())
      .Raw("namespaces", NamespacesJson(pod.namespaces()))
      .Flag("own_network", pod.own_network())
      .Flag("own_ipc", pod.own_ipc())
      .Flag("own_uts", pod.own_uts())
      .Texts("ips", pod.ips())
      .Text("pause_id", pod.pause_id())
      .Text("boot_id", pod.boot_id())
      .Raw("overhead", ToJson(ResourcesToCri(pod.overhead(), 0)))
      .Raw("resources", ToJson(ResourcesToCri(pod.resources(), 0)))
      .Raw("limits", ToJson(ResourcesToCri(pod.limits(), 0)))
      .Raw("config", ToJson(config));
  return json.Finish();
}

std::string ContainerInfo(const record::ContainerRecord& container,
                          const runtime::v1::ContainerConfig& config) {
  JsonObject json;
  json.Text("sandboxID", container.pod_id())
      .Text("state", record::ContainerRecord::State_Name(container.state()))
      .Number("pid", container.state() == record::ContainerRecord::RUNNING
                         ? container.started().pid()
                         : 0)
      .Number("shim_pid", container.started().shim_pid())
      .Text("cgroup_path", container.spec().cgroup_path())
      .Raw("rootfs", RootfsJson(container))
      .Texts("degraded", container.started().degraded())
      .Number("oom_kills", static_cast<int64_t>(container.exited().oom_kills()))
      .Raw("runtimeSpec", SpecJson(container.spec()))
      .Raw("config", ToJson(config));
  return json.Finish();
}

std::string ImageInfo(const record::ImageRecord& image,
                      const ImageDirectories& directories) {
  std::string containers;
  for (const record::ContainerRecord* container : directories.containers) {
    JsonObject json;
    json.Text("id", container->id()).Raw("rootfs", RootfsJson(*container));
    absl::StrAppend(&containers, containers.empty() ? "" : ",", json.Finish());
  }
  JsonObject json;
  json.Text("id", image.id())
      .Text("manifest_digest", image.manifest_digest())
      .Number("pulled_at", image.pulled_at())
      .Raw("layers", LayersJson(image))
      .Raw("history", HistoryJson(image.config()))
      .Raw("config", ImageConfigJson(image.config()))
      .Texts("lower", directories.lower)
      .Raw("containers", absl::StrCat("[", containers, "]"));
  return json.Finish();
}

}  // namespace gantry::cri
