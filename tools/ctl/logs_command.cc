// gantryctl logs: what a container wrote.

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/ctl/command.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"
#include "tools/ctl/interrupt.h"
#include "tools/ctl/log_follow.h"
#include "tools/ctl/resolve.h"

namespace gantry::ctl {
namespace {

struct LogsOptions {
  std::string container;
  bool follow = false;
  std::optional<size_t> tail;
};

absl::Status Logs(Context& context, Client& client,
                  const LogsOptions& options) {
  ASSIGN_OR_RETURN(v1::Container container,
                   FindContainer(client, options.container));
  v1::ContainerStatusRequest request;
  request.set_container_id(container.id());
  ASSIGN_OR_RETURN(v1::ContainerStatusResponse status, client.Call(request));
  const std::string& path = status.status().log_path();
  if (path.empty()) {
    return WithHint(
        absl::FailedPreconditionError(absl::StrCat(
            "container ", ShortId(container.id()), " has no log file")),
        "its pod was made without a log directory");
  }
  LogFollower log(path, context.out, context.err);
  if (options.tail.has_value()) {
    RETURN_IF_ERROR(log.SkipToLast(*options.tail));
  }
  if (!options.follow) {
    bool any = true;
    while (any && !Interrupted()) {
      ASSIGN_OR_RETURN(any, log.Poll());
    }
    return absl::OkStatus();
  }
  const auto ended = FollowUntilExit(client, container.id(), log);
  // Ctrl-C is how one leaves it.
  if (absl::IsCancelled(ended.status())) return absl::OkStatus();
  return ended.status();
}

}  // namespace

void AddLogsCommand(CLI::App& app, Context& context) {
  CLI::App* logs = app.add_subcommand("logs", "Show what a container wrote");
  const auto options = std::make_shared<LogsOptions>();
  logs->add_option("CONTAINER", options->container, "Name or id")->required();
  logs->add_flag("-f,--follow", options->follow, "Go on until it exits");
  logs->add_option("--tail", options->tail, "Only the last lines");
  logs->callback([&context, options] {
    RunWithClient(context,
                  [&](Client& c) { return Logs(context, c, *options); });
  });
}

}  // namespace gantry::ctl
