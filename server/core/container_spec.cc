#include "server/core/container_spec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "server/core/cgroups.h"
#include "server/core/image_volumes.h"

namespace gantry::core {
namespace {

constexpr absl::string_view kDefaultPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

absl::string_view NameOf(absl::string_view assignment) {
  return assignment.substr(0, assignment.find('='));
}

void SetEnv(std::vector<std::string>& env, std::string assignment) {
  auto same = std::find_if(env.begin(), env.end(), [&](const std::string& old) {
    return NameOf(old) == NameOf(assignment);
  });
  if (same == env.end()) {
    env.push_back(std::move(assignment));
  } else {
    *same = std::move(assignment);
  }
}

void SetEnvIfAbsent(std::vector<std::string>& env, std::string assignment) {
  bool present =
      std::any_of(env.begin(), env.end(), [&](const std::string& old) {
        return NameOf(old) == NameOf(assignment);
      });
  if (!present) env.push_back(std::move(assignment));
}

// A file of the pod's run directory at its place below /etc, unless the client
// mounts something of its own there.
void AddPodFile(const record::PodRecord& pod, const Paths& paths,
                absl::string_view file, spec::ContainerSpec& spec) {
  const std::string target = absl::StrCat("/etc/", file);
  for (const spec::BindMount& mount : spec.mounts()) {
    if (mount.container_path() == target || mount.container_path() == "/etc") {
      return;
    }
  }
  spec::BindMount& mount = *spec.add_mounts();
  mount.set_host_path(absl::StrCat(paths.PodRun(pod.id()), "/", file));
  mount.set_container_path(target);
  mount.set_read_only(spec.rootfs().read_only());
  mount.set_selinux_relabel(true);
}

void SetUserNamespace(const record::PodRecord& pod, spec::Namespaces& to) {
  to.clear_user();
  if (pod.namespaces().has_user()) {
    *to.mutable_user() = pod.namespaces().user();
  }
}

// What a container shares is its pod's to say; only its PID namespace is its
// own choice.
void SetNamespaces(const record::PodRecord& pod, spec::ContainerSpec& spec) {
  spec::Namespaces& namespaces = *spec.mutable_namespaces();
  namespaces.set_network(pod.own_network() ? spec::POD : spec::NODE);
  namespaces.set_uts(pod.own_uts() ? spec::POD : spec::NODE);
  if (namespaces.ipc() != spec::CONTAINER) {
    namespaces.set_ipc(pod.own_ipc() ? spec::POD : spec::NODE);
  }
  SetUserNamespace(pod, namespaces);
}

void SetSharedMemory(const record::PodRecord& pod, const Paths& paths,
                     spec::ContainerSpec& spec) {
  switch (spec.namespaces().ipc()) {
    case spec::POD:
      spec.set_shm_path(
          absl::StrCat(paths.PodRun(pod.id()), "/", kShmDirectory));
      break;
    case spec::NODE:
      spec.set_shm_path("/dev/shm");
      break;
    default:
      break;
  }
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ProcessArgs(
    const ContainerRequest& request, const record::ImageConfigRecord& image) {
  std::vector<std::string> args = request.command;
  if (request.command.empty()) {
    args.assign(image.entrypoint().begin(), image.entrypoint().end());
  }
  if (!request.args.empty()) {
    args.insert(args.end(), request.args.begin(), request.args.end());
  } else if (request.command.empty()) {
    args.insert(args.end(), image.cmd().begin(), image.cmd().end());
  }
  if (args.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("neither the request nor image ", request.image,
                     " names a command to run"));
  }
  return args;
}

std::vector<std::string> ProcessEnv(const ContainerRequest& request,
                                    const record::ImageConfigRecord& image,
                                    const std::string& hostname) {
  std::vector<std::string> env;
  for (const std::string& assignment : image.env()) SetEnv(env, assignment);
  for (const std::string& assignment : request.spec.process().env()) {
    SetEnv(env, assignment);
  }
  SetEnvIfAbsent(env, std::string(kDefaultPath));
  SetEnvIfAbsent(env, absl::StrCat("HOSTNAME=", hostname));
  if (request.spec.stdio().terminal()) SetEnvIfAbsent(env, "TERM=xterm");
  return env;
}

absl::StatusOr<spec::ContainerSpec> CompleteSpec(
    const ContainerRequest& request, const record::ImageConfigRecord& image,
    const record::PodRecord& pod, const std::string& hostname,
    const std::string& id, const Paths& paths) {
  spec::ContainerSpec spec = request.spec;
  spec.set_id(id);
  spec.set_pod_id(pod.id());
  spec.set_cgroup_path(ContainerCgroupPath(pod.cgroup_path(), id));

  spec::Process& process = *spec.mutable_process();
  ASSIGN_OR_RETURN(std::vector<std::string> args, ProcessArgs(request, image));
  process.mutable_args()->Assign(args.begin(), args.end());
  std::vector<std::string> env = ProcessEnv(request, image, hostname);
  process.mutable_env()->Assign(env.begin(), env.end());
  if (process.cwd().empty()) process.set_cwd(image.working_dir());
  if (process.user().user().empty()) {
    process.mutable_user()->set_user(image.user());
  }

  SetNamespaces(pod, spec);
  SetSharedMemory(pod, paths, spec);
  for (absl::string_view file : {kHostnameFile, kHostsFile, kResolvConfFile}) {
    AddPodFile(pod, paths, file, spec);
  }
  RETURN_IF_ERROR(AddImageVolumes(image, paths, spec));
  if (!request.log_path.empty() && !pod.log_directory().empty()) {
    spec.mutable_stdio()->set_log_path(
        absl::StrCat(pod.log_directory(), "/", request.log_path));
  }
  return spec;
}

spec::ContainerSpec PauseSpec(const record::PodRecord& pod,
                              const std::string& id) {
  spec::ContainerSpec spec;
  spec.set_id(id);
  spec.set_pod_id(pod.id());
  spec.set_pause(true);
  spec.set_cgroup_path(ContainerCgroupPath(pod.cgroup_path(), id));
  spec::Namespaces& namespaces = *spec.mutable_namespaces();
  namespaces.set_pid(spec::CONTAINER);
  namespaces.set_network(pod.own_network() ? spec::POD : spec::NODE);
  namespaces.set_ipc(pod.own_ipc() ? spec::POD : spec::NODE);
  namespaces.set_uts(pod.own_uts() ? spec::POD : spec::NODE);
  SetUserNamespace(pod, namespaces);
  spec.mutable_security()->set_no_new_privs(true);
  return spec;
}

}  // namespace gantry::core
