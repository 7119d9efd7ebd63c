// gantryctl stop, rm, stopp, rmp: ending containers and pods.

#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/ctl/command.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"
#include "tools/ctl/removal.h"
#include "tools/ctl/resolve.h"

namespace gantry::ctl {
namespace {

struct EndOptions {
  std::vector<std::string> names;
  int64_t seconds = 10;
  bool force = false;
};

absl::Status Stop(Client& client, const std::string& name, int64_t seconds) {
  ASSIGN_OR_RETURN(v1::Container container, FindContainer(client, name));
  v1::StopContainerRequest request;
  request.set_container_id(container.id());
  request.set_timeout(seconds);
  RETURN_IF_ERROR(client.Call(request)) << "stop " << name;
  return absl::OkStatus();
}

absl::Status Rm(Client& client, const std::string& name, bool force) {
  ASSIGN_OR_RETURN(v1::Container container, FindContainer(client, name));
  if (container.state() == v1::CONTAINER_RUNNING && !force) {
    return WithHint(
        absl::FailedPreconditionError(
            absl::StrCat("container ", ShortId(container.id()), " still runs")),
        absl::StrCat("stop it with: gantryctl stop ", name,
                     ", or remove it by force: gantryctl rm -f ", name));
  }
  return RemoveContainer(client, container);
}

absl::Status StopPod(Client& client, const std::string& name) {
  ASSIGN_OR_RETURN(v1::PodSandbox pod, FindPod(client, name));
  v1::StopPodSandboxRequest request;
  request.set_pod_sandbox_id(pod.id());
  RETURN_IF_ERROR(client.Call(request)) << "stop pod " << name;
  return absl::OkStatus();
}

absl::Status Rmp(Client& client, const std::string& name, bool force) {
  ASSIGN_OR_RETURN(v1::PodSandbox pod, FindPod(client, name));
  v1::ListContainersRequest request;
  request.mutable_filter()->set_pod_sandbox_id(pod.id());
  ASSIGN_OR_RETURN(v1::ListContainersResponse inside, client.Call(request));
  for (const v1::Container& container : inside.containers()) {
    if (container.state() != v1::CONTAINER_RUNNING || force) continue;
    return WithHint(
        absl::FailedPreconditionError(
            absl::StrCat("container ", ShortId(container.id()), " of pod ",
                         ShortId(pod.id()), " still runs")),
        absl::StrCat("stop the pod with: gantryctl stopp ", name,
                     ", or remove it by force: gantryctl rmp -f ", name));
  }
  // One by one, so that the logs of those that `run` made go with them.
  for (const v1::Container& container : inside.containers()) {
    RETURN_IF_ERROR(RemoveContainer(client, container));
  }
  return RemovePod(client, pod.id());
}

template <typename Action>
void Each(CLI::App* command, Context& context,
          const std::shared_ptr<EndOptions>& options, const char* what,
          const Action& action) {
  command->add_option(what, options->names, "Names or ids")->required();
  command->callback([&context, options, action] {
    RunWithClient(context, [&](Client& c) {
      return ForEach(context, options->names,
                     [&](const std::string& name) { return action(c, name); });
    });
  });
}

}  // namespace

void AddEndCommands(CLI::App& app, Context& context) {
  const auto options = std::make_shared<EndOptions>();
  CLI::App* stop = app.add_subcommand("stop", "Stop containers");
  stop->add_option("-t,--time", options->seconds,
                   "Seconds between the stop signal and the kill")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  Each(stop, context, options, "CONTAINER",
       [options](Client& client, const std::string& name) {
         return Stop(client, name, options->seconds);
       });
  CLI::App* rm = app.add_subcommand(
      "rm", "Remove containers; the pod of one that `run` made goes with it");
  rm->add_flag("-f,--force", options->force, "Also running ones");
  Each(rm, context, options, "CONTAINER",
       [options](Client& client, const std::string& name) {
         return Rm(client, name, options->force);
       });
  CLI::App* stopp = app.add_subcommand("stopp", "Stop pods");
  Each(stopp, context, options, "POD", StopPod);
  CLI::App* rmp =
      app.add_subcommand("rmp", "Remove pods with their containers");
  rmp->add_flag("-f,--force", options->force, "Also with running containers");
  Each(rmp, context, options, "POD",
       [options](Client& client, const std::string& name) {
         return Rmp(client, name, options->force);
       });
}

}  // namespace gantry::ctl
