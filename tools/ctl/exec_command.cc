// gantryctl exec: a program in a running container, its output at its end.

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/ctl/command.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"
#include "tools/ctl/resolve.h"

namespace gantry::ctl {
namespace {

// How long after the program's own time the answer may come.
constexpr absl::Duration kGrace = absl::Seconds(10);

absl::Status Exec(Context& context, Client& client, const std::string& word,
                  const std::vector<std::string>& command) {
  ASSIGN_OR_RETURN(v1::Container container, FindContainer(client, word));
  if (container.state() != v1::CONTAINER_RUNNING) {
    return WithHint(
        absl::FailedPreconditionError(absl::StrCat(
            "container ", ShortId(container.id()), " does not run")),
        "see what runs with: gantryctl ps");
  }
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

}  // namespace

void AddExecCommand(CLI::App& app, Context& context) {
  CLI::App* exec = app.add_subcommand(
      "exec", "Run a program in a container: exec CONTAINER CMD...");
  const auto interactive = std::make_shared<bool>(false);
  const auto tty = std::make_shared<bool>(false);
  exec->add_flag("-i,--interactive", *interactive, "Not available yet");
  exec->add_flag("-t,--tty", *tty, "Not available yet");
  // All from the container on is the program's.
  exec->fallthrough(false);
  exec->prefix_command();
  exec->callback([&context, exec, interactive, tty] {
    std::vector<std::string> rest = exec->remaining();
    if (!rest.empty() && absl::StartsWith(rest[0], "-")) {
      throw CLI::ExtrasError("exec", {rest[0]});
    }
    if (rest.size() > 1 && rest[1] == "--") rest.erase(rest.begin() + 1);
    if (rest.size() < 2) throw CLI::RequiredError("CONTAINER and CMD");
    if (*interactive || *tty) {
      context.result = WithHint(
          absl::UnimplementedError(
              "exec -i and -t are not available: the server cannot stream yet"),
          "without them the program gets no input and its output comes at "
          "its end");
      return;
    }
    RunWithClient(context, [&](Client& c) {
      return Exec(context, c, rest[0], {rest.begin() + 1, rest.end()});
    });
  });
}

}  // namespace gantry::ctl
