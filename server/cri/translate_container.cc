#include "server/cri/translate_container.h"

#include <signal.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/image/reference.h"
#include "server/cri/check.h"
#include "server/cri/check_windows.h"
#include "server/cri/serialize.h"
#include "server/cri/translate_mounts.h"
#include "server/cri/translate_namespaces.h"
#include "server/cri/translate_resources.h"
#include "server/cri/translate_security.h"
#include "server/cri/translate_signal.h"

namespace gantry::cri {
namespace {

using record::ContainerRecord;
using ::runtime::v1::ContainerConfig;
using ::runtime::v1::PodSandboxConfig;

constexpr absl::string_view kSecurityContext = "config.linux.security_context";
constexpr absl::string_view kResources = "config.linux.resources";

absl::StatusOr<record::Metadata> MetadataFromCri(
    const ContainerConfig& config) {
  if (!config.has_metadata()) {
    return BadField("config.metadata", "is missing");
  }
  RETURN_IF_ERROR(CheckName("config.metadata.name", config.metadata().name()));
  record::Metadata metadata;
  metadata.set_name(config.metadata().name());
  metadata.set_attempt(config.metadata().attempt());
  return metadata;
}

absl::Status CheckImage(const runtime::v1::ImageSpec& image,
                        const HostAbilities& host) {
  RETURN_IF_ERROR(CheckNoNul("config.image.image", image.image()));
  if (image.image().empty()) return BadField("config.image.image", "is empty");
  return CheckRuntimeHandler("config.image.runtime_handler",
                             image.runtime_handler(), host);
}

absl::Status CheckArguments(
    absl::string_view field,
    const google::protobuf::RepeatedPtrField<std::string>& arguments) {
  for (int i = 0; i < arguments.size(); ++i) {
    RETURN_IF_ERROR(CheckNoNul(At(field, i), arguments.Get(i)));
  }
  return absl::OkStatus();
}

// Values are bytes; names end at the first '='.
absl::Status SetEnv(const ContainerConfig& config, spec::Process& process) {
  for (int i = 0; i < config.envs_size(); ++i) {
    const runtime::v1::KeyValue& env = config.envs(i);
    const std::string field = At("config.envs", i);
    const std::string key_field = absl::StrCat(field, ".key");
    if (env.key().empty()) return BadField(key_field, "is empty");
    if (env.key().find('=') != std::string::npos) {
      return BadValue(key_field, "a name without '='", env.key());
    }
    RETURN_IF_ERROR(CheckNoNul(key_field, env.key()));
    // Not shown: values may be secrets.
    if (env.value().find('\0') != std::string::npos) {
      return BadField(absl::StrCat(field, ".value"), "has a zero byte");
    }
    process.add_env(absl::StrCat(env.key(), "=", env.value()));
  }
  return absl::OkStatus();
}

absl::Status SetProcess(const ContainerConfig& config,
                        core::ContainerRequest& request) {
  RETURN_IF_ERROR(CheckArguments("config.command", config.command()));
  RETURN_IF_ERROR(CheckArguments("config.args", config.args()));
  if (config.command_size() > 0 && config.command(0).empty()) {
    return BadField("config.command[0]", "is empty");
  }
  request.command.assign(config.command().begin(), config.command().end());
  request.args.assign(config.args().begin(), config.args().end());
  spec::Process& process = *request.spec.mutable_process();
  RETURN_IF_ERROR(SetEnv(config, process));
  if (!config.working_dir().empty()) {
    RETURN_IF_ERROR(
        CheckAbsolutePath("config.working_dir", config.working_dir()));
    process.set_cwd(config.working_dir());
  }
  ASSIGN_OR_RETURN(
      *process.mutable_user(),
      UserFromCri(config.linux().security_context(), kSecurityContext));
  RETURN_IF_ERROR(CheckOomScoreAdj(config.linux().resources(), kResources));
  process.set_oom_score_adj(config.linux().resources().oom_score_adj());
  return absl::OkStatus();
}

absl::Status SetStdio(const ContainerConfig& config,
                      core::ContainerRequest& request) {
  spec::Stdio& stdio = *request.spec.mutable_stdio();
  stdio.set_terminal(config.tty());
  stdio.set_stdin(config.stdin());
  stdio.set_stdin_once(config.stdin() && config.stdin_once());
  if (config.log_path().empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckPlainRelativePath("config.log_path", config.log_path()));
  request.log_path = config.log_path();
  return absl::OkStatus();
}

// The pod's configuration comes along once more; it never changes, so only that
// of another pod is a mistake to tell of.
absl::Status CheckSamePod(const PodSandboxConfig& given,
                          const PodSandboxConfig& pod) {
  if (!given.has_metadata()) return absl::OkStatus();
  const absl::string_view field = "sandbox_config.metadata";
  auto check = [&](absl::string_view name, const std::string& found,
                   const std::string& expected) -> absl::Status {
    if (found == expected) return absl::OkStatus();
    return BadValue(absl::StrCat(field, ".", name),
                    absl::StrCat("the pod's own, \"", expected, "\""), found);
  };
  RETURN_IF_ERROR(
      check("name", given.metadata().name(), pod.metadata().name()));
  RETURN_IF_ERROR(check("uid", given.metadata().uid(), pod.metadata().uid()));
  return check("namespace", given.metadata().namespace_(),
               pod.metadata().namespace_());
}

// From a mount namespace that a user namespace owns nothing goes out.
absl::Status CheckPropagation(const spec::ContainerSpec& spec) {
  if (!spec.namespaces().has_user()) return absl::OkStatus();
  for (int i = 0; i < spec.mounts_size(); ++i) {
    if (spec.mounts(i).propagation() != spec::BIDIRECTIONAL) continue;
    return BadField(absl::StrCat(At("config.mounts", i), ".propagation"),
                    "PROPAGATION_BIDIRECTIONAL cannot be had in a pod with a "
                    "user namespace");
  }
  return absl::OkStatus();
}

absl::Status SetSecurity(const ContainerConfig& config,
                         const PodSandboxConfig& pod, const HostAbilities& host,
                         spec::ContainerSpec& spec) {
  const runtime::v1::LinuxContainerSecurityContext& context =
      config.linux().security_context();
  const runtime::v1::LinuxSandboxSecurityContext& pod_context =
      pod.linux().security_context();
  if (context.privileged() && !pod_context.privileged()) {
    return absl::FailedPreconditionError(absl::StrCat(
        kSecurityContext, ".privileged: the pod is not privileged"));
  }
  ASSIGN_OR_RETURN(*spec.mutable_security(),
                   SecurityFromCri(context, host, kSecurityContext));
  spec.mutable_rootfs()->set_read_only(context.readonly_rootfs());
  ASSIGN_OR_RETURN(spec::Namespaces pod_namespaces,
                   PodNamespacesFromCri(pod_context, host, "pod"));
  ASSIGN_OR_RETURN(*spec.mutable_namespaces(),
                   ContainerNamespacesFromCri(
                       context, pod_namespaces,
                       pod_context.has_namespace_options(), kSecurityContext));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<core::ContainerRequest> ContainerRequestFromCri(
    const runtime::v1::CreateContainerRequest& request,
    const PodSandboxConfig& pod, const HostAbilities& host) {
  if (!request.has_config()) return BadField("config", "is missing");
  const ContainerConfig& config = request.config();
  RETURN_IF_ERROR(CheckNoWindows("config.windows", config.windows()));
  RETURN_IF_ERROR(CheckSamePod(request.sandbox_config(), pod));
  core::ContainerRequest to;
  to.pod_id = request.pod_sandbox_id();
  ASSIGN_OR_RETURN(to.metadata, MetadataFromCri(config));
  RETURN_IF_ERROR(CheckImage(config.image(), host));
  to.image = image::Qualify(config.image().image(), host.short_names);
  RETURN_IF_ERROR(SetProcess(config, to));
  RETURN_IF_ERROR(SetStdio(config, to));
  RETURN_IF_ERROR(SetMounts(config, host, to.spec));
  RETURN_IF_ERROR(SetDevices(config, to.spec));
  ASSIGN_OR_RETURN(to.cdi_devices, CdiDevicesFromCri(config));
  RETURN_IF_ERROR(SetSecurity(config, pod, host, to.spec));
  RETURN_IF_ERROR(CheckPropagation(to.spec));
  ASSIGN_OR_RETURN(*to.spec.mutable_resources(),
                   ResourcesFromCri(config.linux().resources(), kResources));
  ASSIGN_OR_RETURN(to.stop_signal,
                   SignalFromCri(config.stop_signal(), "config.stop_signal"));
  to.labels.insert(config.labels().begin(), config.labels().end());
  to.annotations.insert(config.annotations().begin(),
                        config.annotations().end());
  to.cri_config = SerializeForComparison(config);
  return to;
}

runtime::v1::ContainerState ContainerStateToCri(
    const ContainerRecord& container) {
  switch (container.state()) {
    case ContainerRecord::CREATED:
    case ContainerRecord::STARTING:
      return runtime::v1::CONTAINER_CREATED;
    case ContainerRecord::RUNNING:
      return runtime::v1::CONTAINER_RUNNING;
    case ContainerRecord::EXITED:
      return runtime::v1::CONTAINER_EXITED;
    default:
      // Half made or half removed.
      return container.has_exited() ? runtime::v1::CONTAINER_EXITED
                                    : runtime::v1::CONTAINER_UNKNOWN;
  }
}

runtime::v1::Container ContainerToCri(const ContainerRecord& container,
                                      const std::string& image_ref) {
  runtime::v1::Container to;
  to.set_id(container.id());
  to.set_pod_sandbox_id(container.pod_id());
  to.mutable_metadata()->set_name(container.metadata().name());
  to.mutable_metadata()->set_attempt(container.metadata().attempt());
  to.mutable_image()->set_image(container.image_ref());
  to.set_image_ref(image_ref);
  to.set_image_id(container.image_id());
  to.set_state(ContainerStateToCri(container));
  to.set_created_at(container.created_at());
  *to.mutable_labels() = container.labels();
  *to.mutable_annotations() = container.annotations();
  return to;
}

namespace {

// The client's own, in whose order those of the spec begin.
google::protobuf::RepeatedPtrField<runtime::v1::Mount> MountsToCri(
    const ContainerConfig& config, const spec::ContainerSpec& spec) {
  google::protobuf::RepeatedPtrField<runtime::v1::Mount> mounts =
      config.mounts();
  for (int i = 0; i < mounts.size() && i < spec.mounts_size(); ++i) {
    if (!mounts[i].has_image()) continue;
    mounts[i].set_readonly(true);
    mounts[i].mutable_image()->set_image_ref(
        spec.mounts(i).image().image_ref());
  }
  return mounts;
}

}  // namespace

runtime::v1::ContainerStatus ContainerStatusToCri(
    const ContainerRecord& container, const ContainerConfig& config,
    const std::string& image_ref) {
  runtime::v1::ContainerStatus to;
  to.set_id(container.id());
  to.mutable_metadata()->set_name(container.metadata().name());
  to.mutable_metadata()->set_attempt(container.metadata().attempt());
  to.set_state(ContainerStateToCri(container));
  to.set_created_at(container.created_at());
  to.set_started_at(container.started().started_at());
  to.set_finished_at(container.exited().finished_at());
  to.set_exit_code(container.exited().exit_code());
  *to.mutable_image() = config.image();
  to.set_image_ref(image_ref);
  to.set_image_id(container.image_id());
  to.set_reason(container.reason());
  to.set_message(container.message());
  *to.mutable_labels() = container.labels();
  *to.mutable_annotations() = container.annotations();
  *to.mutable_mounts() = MountsToCri(config, container.spec());
  to.set_log_path(container.spec().stdio().log_path());
  *to.mutable_resources()->mutable_linux() = ResourcesToCri(
      container.spec().resources(), container.spec().process().oom_score_adj());
  if (container.has_started()) {
    const shim::ResolvedUser& user = container.started().user();
    runtime::v1::LinuxContainerUser& linux =
        *to.mutable_user()->mutable_linux();
    linux.set_uid(user.uid());
    linux.set_gid(user.gid());
    for (uint32_t group : user.groups()) linux.add_supplemental_groups(group);
  }
  to.set_stop_signal(SignalToCri(
      container.stop_signal() == 0 ? SIGTERM : container.stop_signal()));
  return to;
}

}  // namespace gantry::cri
