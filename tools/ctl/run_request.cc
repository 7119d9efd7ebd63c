#include "tools/ctl/run_request.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"

namespace gantry::ctl {
namespace {

namespace v1 = ::runtime::v1;

// Names become file names and host names.
absl::Status CheckName(absl::string_view name) {
  constexpr size_t kMax = 63;
  bool fits =
      !name.empty() && name.size() <= kMax && absl::ascii_isalnum(name[0]);
  for (char c : name) {
    fits = fits && (absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.');
  }
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--name: \"", name, "\": expected up to ", kMax,
      " letters, digits, '-', '_' and '.', a letter or digit first"));
}

absl::StatusOr<v1::NamespaceOption> Namespaces(const RunOptions& options) {
  v1::NamespaceOption namespaces;
  if (options.network == "host") {
    namespaces.set_network(v1::NODE);
  } else if (options.network == "pod") {
    namespaces.set_network(v1::POD);
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "--network: \"", options.network, "\": expected pod or host"));
  }
  if (options.pid == "host") {
    namespaces.set_pid(v1::NODE);
  } else if (options.pid == "pod") {
    namespaces.set_pid(v1::POD);
  } else if (options.pid == "container") {
    namespaces.set_pid(v1::CONTAINER);
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "--pid: \"", options.pid, "\": expected host, pod or container"));
  }
  return namespaces;
}

absl::Status SetResources(const RunOptions& options,
                          v1::LinuxContainerResources* resources) {
  if (!options.memory.empty()) {
    ASSIGN_OR_RETURN(int64_t bytes, ParseSize(options.memory), "--memory");
    resources->set_memory_limit_in_bytes(bytes);
  }
  if (!options.cpus.empty()) {
    ASSIGN_OR_RETURN(int64_t quota, ParseCpuQuota(options.cpus), "--cpus");
    resources->set_cpu_period(kCpuPeriodMicros);
    resources->set_cpu_quota(quota);
  }
  return absl::OkStatus();
}

absl::Status SetSecurity(const RunOptions& options,
                         const v1::NamespaceOption& namespaces,
                         v1::LinuxContainerSecurityContext* security) {
  *security->mutable_namespace_options() = namespaces;
  security->set_privileged(options.privileged);
  security->set_readonly_rootfs(options.read_only);
  // What CRI leaves unset is unconfined; a person at a shell is given the
  // filter unless asked otherwise.
  security->mutable_seccomp()->set_profile_type(
      options.privileged ? v1::SecurityProfile::Unconfined
                         : v1::SecurityProfile::RuntimeDefault);
  v1::Capability* capabilities = security->mutable_capabilities();
  for (const std::string& name : options.cap_add) {
    capabilities->add_add_capabilities(name);
  }
  for (const std::string& name : options.cap_drop) {
    capabilities->add_drop_capabilities(name);
  }
  if (options.user.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(UserOption user, ParseUser(options.user), "--user");
  if (user.uid.has_value()) {
    security->mutable_run_as_user()->set_value(*user.uid);
  } else {
    security->set_run_as_username(user.name);
  }
  if (user.gid.has_value()) {
    security->mutable_run_as_group()->set_value(*user.gid);
  }
  return absl::OkStatus();
}

absl::Status SetMounts(const RunOptions& options,
                       v1::ContainerConfig* container) {
  for (const std::string& text : options.mounts) {
    ASSIGN_OR_RETURN(MountOption option, ParseMount(text), "--mount");
    v1::Mount* mount = container->add_mounts();
    mount->set_host_path(option.source);
    mount->set_container_path(option.destination);
    mount->set_readonly(option.read_only);
    if (option.propagation == "rslave") {
      mount->set_propagation(v1::PROPAGATION_HOST_TO_CONTAINER);
    } else if (option.propagation == "rshared") {
      mount->set_propagation(v1::PROPAGATION_BIDIRECTIONAL);
    }
  }
  return absl::OkStatus();
}

absl::Status SetProcess(const RunOptions& options, EnvLookup lookup,
                        v1::ContainerConfig* container) {
  for (const std::string& text : options.env) {
    ASSIGN_OR_RETURN(auto variable, ParseEnv(text, lookup), "--env");
    v1::KeyValue* env = container->add_envs();
    env->set_key(variable.first);
    env->set_value(variable.second);
  }
  for (const std::string& word : options.entrypoint) {
    container->add_command(word);
  }
  for (const std::string& word : options.command) container->add_args(word);
  container->set_working_dir(options.workdir);
  return absl::OkStatus();
}

absl::Status SetLabels(const RunOptions& options, absl::string_view uid,
                       RunRequest* request) {
  for (const std::string& text : options.labels) {
    const std::pair<std::string, std::string> label =
        absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (label.first.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--label: \"", text, "\": expected KEY=VALUE"));
    }
    (*request->container.mutable_labels())[label.first] = label.second;
  }
  (*request->container.mutable_labels())[kRunLabel] = std::string(uid);
  *request->pod.mutable_labels() = request->container.labels();
  return absl::OkStatus();
}

}  // namespace

std::string BaseName(absl::string_view image) {
  image = image.substr(0, image.find('@'));
  image = image.substr(image.rfind('/') + 1);
  image = image.substr(0, image.find(':'));
  std::string name;
  for (char c : image.substr(0, 40)) {
    const bool fits = absl::ascii_isalnum(c) || (c == '-' && !name.empty());
    if (fits) name += absl::ascii_tolower(c);
  }
  return name.empty() ? "container" : name;
}

absl::StatusOr<RunRequest> MakeRunRequest(const RunOptions& options,
                                          absl::string_view uid,
                                          EnvLookup lookup) {
  if (options.remove && options.detach) {
    return absl::InvalidArgumentError(
        "--rm and -d do not go together: nobody would be there to remove it");
  }
  if (!absl::StartsWith(options.log_root, "/")) {
    return absl::InvalidArgumentError("--log-root: expected an absolute path");
  }
  std::string name = options.name;
  if (name.empty()) {
    name = absl::StrCat(BaseName(options.image), "-", uid.substr(0, 6));
  }
  RETURN_IF_ERROR(CheckName(name));
  ASSIGN_OR_RETURN(v1::NamespaceOption namespaces, Namespaces(options));

  RunRequest request;
  v1::PodSandboxConfig& pod = request.pod;
  pod.mutable_metadata()->set_name(name);
  pod.mutable_metadata()->set_uid(std::string(uid));
  pod.mutable_metadata()->set_namespace_("gantryctl");
  if (namespaces.network() != v1::NODE) {
    pod.set_hostname(options.hostname.empty() ? name : options.hostname);
  } else if (!options.hostname.empty()) {
    return absl::InvalidArgumentError(
        "--hostname: with --network host the container has the host's name");
  }
  pod.set_log_directory(absl::StrCat(absl::StripSuffix(options.log_root, "/"),
                                     "/gantryctl_", name, "_", uid));
  v1::LinuxSandboxSecurityContext* security =
      pod.mutable_linux()->mutable_security_context();
  *security->mutable_namespace_options() = namespaces;
  security->set_privileged(options.privileged);

  v1::ContainerConfig& container = request.container;
  container.mutable_metadata()->set_name(name);
  container.mutable_image()->set_image(options.image);
  container.mutable_image()->set_user_specified_image(options.image);
  container.set_log_path(absl::StrCat(name, ".log"));
  RETURN_IF_ERROR(SetProcess(options, lookup, &container));
  RETURN_IF_ERROR(SetMounts(options, &container));
  RETURN_IF_ERROR(
      SetResources(options, container.mutable_linux()->mutable_resources()));
  RETURN_IF_ERROR(
      SetSecurity(options, namespaces,
                  container.mutable_linux()->mutable_security_context()));
  RETURN_IF_ERROR(SetLabels(options, uid, &request));
  return request;
}

}  // namespace gantry::ctl
