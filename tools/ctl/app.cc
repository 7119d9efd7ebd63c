#include "tools/ctl/app.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "runtime/base/status.h"
#include "tools/ctl/command.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/parse.h"

namespace gantry::ctl {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kInterrupted = 130;

struct GlobalOptions {
  std::string endpoint = "unix:///run/gantry/gantry.sock";
  std::string timeout;
  std::string output = "table";
};

void AddGlobalOptions(CLI::App& app, GlobalOptions& options) {
  app.add_option("--endpoint", options.endpoint,
                 "Socket of the server [env GANTRY_ENDPOINT]")
      ->envname("GANTRY_ENDPOINT")
      ->capture_default_str();
  app.add_option("--timeout", options.timeout,
                 "Longest time for one call, such as 10s (default: by verb)");
  app.add_option("--output", options.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

int Finish(const Context& context) {
  if (context.result.ok()) return context.exit_code;
  context.err << ErrorText(context.result);
  return absl::IsCancelled(context.result) ? kInterrupted : kFailed;
}

}  // namespace

int RunGantryctl(const std::vector<std::string>& arguments, std::ostream& out,
                 std::ostream& err) {
  CLI::App app("Runs and looks at containers of a gantryd.", "gantryctl");
  app.require_subcommand(1);
  // Global options may stand behind the command as well.
  app.fallthrough();
  GlobalOptions options;
  AddGlobalOptions(app, options);
  Context context(out, err);
  // Before the command's own callback runs.
  app.parse_complete_callback([&] {
    context.endpoint = options.endpoint;
    context.json = options.output == "json";
    if (options.timeout.empty()) return;
    const absl::StatusOr<absl::Duration> timeout =
        ParseDuration(options.timeout);
    if (!timeout.ok()) {
      throw CLI::ValidationError("--timeout",
                                 std::string(timeout.status().message()));
    }
    context.timeout = *timeout;
  });
  AddServerCommands(app, context);
  AddPullCommand(app, context);
  AddImageCommands(app, context);
  AddStoreCommands(app, context);
  AddInspectCommands(app, context);
  AddRunCommand(app, context);
  AddListCommands(app, context);
  AddStatsCommand(app, context);
  AddEventsCommand(app, context);
  AddLogsCommand(app, context);
  AddExecCommand(app, context);
  AddStreamCommands(app, context);
  AddEndCommands(app, context);
  // CLI11 takes them last first.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, out, err);
    return code == 0 ? 0 : kUsage;
  }
  return Finish(context);
}

}  // namespace gantry::ctl
