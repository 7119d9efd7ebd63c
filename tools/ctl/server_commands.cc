// gantryctl version, info: who answers, and in what state it is.

#include <CLI/CLI.hpp>

#include "runtime/base/status.h"
#include "runtime/json/json.h"
#include "tools/ctl/command.h"
#include "tools/ctl/format.h"
#include "tools/ctl/info_json.h"

namespace gantry::ctl {
namespace {

absl::Status Version(Context& context, Client& client) {
  v1::VersionRequest request;
  request.set_version("v1");
  ASSIGN_OR_RETURN(v1::VersionResponse version, client.Call(request));
  if (context.json) return context.PrintJson(version);
  Table table({"RUNTIME", "VERSION", "API"});
  table.Add({version.runtime_name(), version.runtime_version(),
             version.runtime_api_version()});
  context.out << table.ToString();
  return absl::OkStatus();
}

absl::Status ShowInfo(Context& context, Client& client) {
  v1::StatusRequest request;
  request.set_verbose(true);
  ASSIGN_OR_RETURN(v1::StatusResponse status, client.Call(request));
  if (context.json) return PrintWithInfo(context, status);
  Table conditions({"CONDITION", "STATE", "REASON", "MESSAGE"});
  for (const v1::RuntimeCondition& condition : status.status().conditions()) {
    conditions.Add({condition.type(), condition.status() ? "yes" : "no",
                    condition.reason(), condition.message()});
  }
  context.out << conditions.ToString();
  for (const auto& [name, text] : status.info()) {
    const bool is_json = json::Value::Parse(text, name).ok();
    context.out << '\n'
                << Printable(name) << ": "
                << (is_json ? PrettyJson(text) : Printable(text)) << '\n';
  }
  return absl::OkStatus();
}

}  // namespace

void AddServerCommands(CLI::App& app, Context& context) {
  app.add_subcommand("version", "Show the server's name and version")
      ->callback([&context] {
        RunWithClient(context, [&](Client& c) { return Version(context, c); });
      });
  app.add_subcommand("info", "Show the server's state and configuration")
      ->callback([&context] {
        RunWithClient(context, [&](Client& c) { return ShowInfo(context, c); });
      });
}

}  // namespace gantry::ctl
