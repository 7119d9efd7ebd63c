// gantryctl exec: a program in a running container; its output comes at its
// end, or with -i or -t as it comes.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/ctl/command.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"
#include "tools/ctl/remote_command.h"
#include "tools/ctl/resolve.h"

namespace gantry::ctl {
namespace {

// How long after the program's own time the answer may come.
constexpr absl::Duration kGrace = absl::Seconds(10);

struct ExecOptions {
  bool interactive = false;
  bool terminal = false;
};

absl::StatusOr<v1::Container> FindRunning(Client& client,
                                          const std::string& word) {
  ASSIGN_OR_RETURN(v1::Container container, FindContainer(client, word));
  if (container.state() != v1::CONTAINER_RUNNING) {
    return WithHint(
        absl::FailedPreconditionError(absl::StrCat(
            "container ", ShortId(container.id()), " does not run")),
        "see what runs with: gantryctl ps");
  }
  return container;
}

absl::Status ExecSync(Context& context, Client& client, const std::string& word,
                      const std::vector<std::string>& command) {
  ASSIGN_OR_RETURN(v1::Container container, FindRunning(client, word));
  v1::ExecSyncRequest request;
  request.set_container_id(container.id());
  for (const std::string& argument : command) request.add_cmd(argument);
  if (context.timeout > absl::ZeroDuration()) {
    request.set_timeout(static_cast<int64_t>(
        std::ceil(absl::ToDoubleSeconds(context.timeout))));
    client.SetLimit(absl::Seconds(request.timeout()) + kGrace);
  }
  ASSIGN_OR_RETURN(v1::ExecSyncResponse answer, client.Call(request));
  context.exit_code = answer.exit_code();
  if (context.json) return context.PrintJson(answer);
  context.out << answer.stdout() << std::flush;
  context.err << answer.stderr() << std::flush;
  return absl::OkStatus();
}

absl::Status ExecStreaming(Context& context, Client& client,
                           const std::string& word,
                           const std::vector<std::string>& command,
                           const ExecOptions& options) {
  ASSIGN_OR_RETURN(v1::Container container, FindRunning(client, word));
  v1::ExecRequest request;
  request.set_container_id(container.id());
  for (const std::string& argument : command) request.add_cmd(argument);
  request.set_stdin(options.interactive);
  request.set_stdout(true);
  request.set_stderr(!options.terminal);
  request.set_tty(options.terminal);
  ASSIGN_OR_RETURN(v1::ExecResponse answer, client.Call(request));
  RemoteStreams streams;
  if (options.interactive) streams.in = STDIN_FILENO;
  streams.out = STDOUT_FILENO;
  streams.err = STDERR_FILENO;
  streams.terminal = options.terminal;
  ASSIGN_OR_RETURN(context.exit_code, RunRemoteCommand(answer.url(), streams));
  return absl::OkStatus();
}

}  // namespace

void AddExecCommand(CLI::App& app, Context& context) {
  CLI::App* exec = app.add_subcommand(
      "exec", "Run a program in a container: exec CONTAINER CMD...");
  const auto options = std::make_shared<ExecOptions>();
  exec->add_flag("-i,--interactive", options->interactive,
                 "Send what is typed; output as it comes");
  exec->add_flag("-t,--tty", options->terminal,
                 "Give the program a terminal; output as it comes");
  // All from the container on is the program's.
  exec->fallthrough(false);
  exec->prefix_command();
  exec->callback([&context, exec, options] {
    std::vector<std::string> rest = exec->remaining();
    if (!rest.empty() && absl::StartsWith(rest[0], "-")) {
      throw CLI::ExtrasError("exec", {rest[0]});
    }
    if (rest.size() > 1 && rest[1] == "--") rest.erase(rest.begin() + 1);
    if (rest.size() < 2) throw CLI::RequiredError("CONTAINER and CMD");
    const std::vector<std::string> command(rest.begin() + 1, rest.end());
    RunWithClient(context, [&](Client& c) {
      return options->interactive || options->terminal
                 ? ExecStreaming(context, c, rest[0], command, *options)
                 : ExecSync(context, c, rest[0], command);
    });
  });
}

}  // namespace gantry::ctl
