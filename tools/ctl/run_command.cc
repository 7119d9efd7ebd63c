// gantryctl run: a pod and a container in it in one go.

#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/id.h"
#include "runtime/base/status.h"
#include "tools/ctl/command.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"
#include "tools/ctl/interrupt.h"
#include "tools/ctl/log_follow.h"
#include "tools/ctl/removal.h"
#include "tools/ctl/resolve.h"
#include "tools/ctl/run_request.h"

namespace gantry::ctl {
namespace {

absl::Status CheckInterrupted() {
  return Interrupted() ? absl::CancelledError("interrupted") : absl::OkStatus();
}

absl::Status CheckNameIsFree(Client& client, const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(v1::ListContainersResponse list,
                   client.Call(v1::ListContainersRequest()));
  for (const v1::Container& container : list.containers()) {
    if (container.metadata().name() != name) continue;
    return WithHint(
        absl::AlreadyExistsError(
            absl::StrCat("there is a container ", name,
                         " already: ", ShortId(container.id()))),
        absl::StrCat("remove it with: gantryctl rm -f ",
                     ShortId(container.id()), ", or choose another --name"));
  }
  return absl::OkStatus();
}

// The name as written, or the whole id where it is the beginning of one.
absl::StatusOr<std::string> ImageName(Client& client, const std::string& word) {
  ASSIGN_OR_RETURN(v1::ImageStatusResponse image,
                   FindImage(client, word, /*verbose=*/false));
  const std::string& id = image.image().id();
  const bool by_id =
      absl::StartsWith(id, word) ||
      absl::StartsWith(absl::string_view(id).substr(id.find(':') + 1), word);
  return by_id ? id : word;
}

// Makes and starts both; the container's id.
absl::StatusOr<std::string> Start(Client& client, const RunRequest& run) {
  v1::RunPodSandboxRequest pod;
  *pod.mutable_config() = run.pod;
  ASSIGN_OR_RETURN(v1::RunPodSandboxResponse pod_made, client.Call(pod));
  RETURN_IF_ERROR(CheckInterrupted());
  v1::CreateContainerRequest create;
  create.set_pod_sandbox_id(pod_made.pod_sandbox_id());
  *create.mutable_config() = run.container;
  *create.mutable_sandbox_config() = run.pod;
  ASSIGN_OR_RETURN(v1::CreateContainerResponse made, client.Call(create));
  RETURN_IF_ERROR(CheckInterrupted());
  v1::StartContainerRequest start;
  start.set_container_id(made.container_id());
  RETURN_IF_ERROR(client.Call(start));
  RETURN_IF_ERROR(CheckInterrupted());
  return made.container_id();
}

void TellHowToLook(Context& context, const std::string& id, bool runs) {
  const std::string short_id = ShortId(id);
  context.err << "container " << short_id
              << (runs ? " runs on; " : " is kept; ") << "look at it with: "
              << "gantryctl logs " << short_id << "; gantryctl inspect "
              << short_id << "\nremove it with: gantryctl rm "
              << (runs ? "-f " : "") << short_id << '\n';
}

// Shows the output until the container ends, and takes over its exit code.
absl::Status Follow(Context& context, Client& client, const std::string& id,
                    const std::string& log_path, bool keep) {
  LogFollower log(log_path, context.out, context.err);
  const absl::StatusOr<v1::ContainerStatus> status =
      FollowUntilExit(client, id, log);
  if (!status.ok()) {
    if (keep) TellHowToLook(context, id, /*runs=*/true);
    return status.status();
  }
  context.exit_code = status->exit_code();
  if (status->reason() == "OOMKilled") {
    context.err << "gantryctl: the container was killed: it used more memory "
                   "than its limit allows\n";
  }
  if (keep) TellHowToLook(context, id, /*runs=*/false);
  return absl::OkStatus();
}

absl::Status Run(Context& context, Client& client, RunOptions options) {
  ASSIGN_OR_RETURN(options.image, ImageName(client, options.image));
  const std::string uid = NewId().substr(0, 32);
  ASSIGN_OR_RETURN(
      RunRequest request,
      MakeRunRequest(options, uid, [](const char* name) -> const char* {
        return getenv(name);
      }));
  RETURN_IF_ERROR(CheckNameIsFree(client, options.name));
  const std::string log_path = absl::StrCat(request.pod.log_directory(), "/",
                                            request.container.log_path());
  absl::Cleanup remove = [&] {
    const absl::Status removed = RemoveRun(client, uid, log_path);
    if (!removed.ok()) context.err << ErrorText(removed);
  };
  ASSIGN_OR_RETURN(std::string id, Start(client, request));
  if (!options.remove) std::move(remove).Cancel();
  if (options.detach) {
    context.out << id << '\n';
    TellHowToLook(context, id, /*runs=*/true);
    return absl::OkStatus();
  }
  return Follow(context, client, id, log_path, !options.remove);
}

void AddOptions(CLI::App& run, RunOptions& options) {
  run.add_option("--name", options.name, "Name of pod and container");
  run.add_option("--hostname", options.hostname, "Host name inside");
  run.add_option("--memory", options.memory, "Memory limit, such as 100m");
  run.add_option("--cpus", options.cpus, "CPU limit, such as 0.5");
  run.add_option("--user", options.user, "UID[:GID] or NAME[:GID]");
  run.add_option("--workdir", options.workdir, "Working directory inside");
  run.add_option("--network", options.network,
                 "pod: a network of its own, as gantryd provides it; or host")
      ->capture_default_str();
  run.add_option("--pid", options.pid, "PID namespace: container, pod or host")
      ->capture_default_str();
  run.add_option("--log-root", options.log_root, "Where the log goes")
      ->capture_default_str();
  const std::pair<const char*, std::vector<std::string>*> lists[] = {
      {"--env,-e", &options.env},        {"--mount", &options.mounts},
      {"--label", &options.labels},      {"--cap-add", &options.cap_add},
      {"--cap-drop", &options.cap_drop}, {"--entrypoint", &options.entrypoint}};
  const char* const descriptions[] = {
      "KEY=VALUE, or KEY to hand on",
      "type=bind,src=PATH,dst=PATH[,ro][,propagation=rslave|rshared]",
      "KEY=VALUE on pod and container",
      "Capability to add, such as NET_ADMIN or ALL",
      "Capability to drop",
      "In place of the image's entrypoint, one word each"};
  for (size_t i = 0; i < std::size(lists); ++i) {
    // One value each time: what follows is the image.
    run.add_option(lists[i].first, *lists[i].second, descriptions[i])
        ->allow_extra_args(false);
  }
  run.add_flag("--privileged", options.privileged, "Few walls left");
  run.add_flag("--read-only", options.read_only, "Root file system read-only");
  run.add_flag("--rm", options.remove, "Remove both when it ends");
  run.add_flag("-d,--detach", options.detach, "Do not wait; print the id");
}

}  // namespace

void AddRunCommand(CLI::App& app, Context& context) {
  CLI::App* run = app.add_subcommand(
      "run", "Run a program in a new container: run [OPTIONS] IMAGE [CMD...]");
  const auto options = std::make_shared<RunOptions>();
  AddOptions(*run, *options);
  // All from the image on is the container's.
  run->fallthrough(false);
  run->prefix_command();
  run->callback([&context, run, options] {
    std::vector<std::string> rest = run->remaining();
    if (rest.empty()) throw CLI::RequiredError("IMAGE");
    if (absl::StartsWith(rest[0], "-")) {
      throw CLI::ExtrasError("run", {rest[0]});
    }
    options->image = rest[0];
    options->command.assign(rest.begin() + 1, rest.end());
    RunWithClient(context,
                  [&](Client& c) { return Run(context, c, *options); });
  });
}

}  // namespace gantry::ctl
