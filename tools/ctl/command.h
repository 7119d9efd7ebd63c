// What every command of gantryctl gets, and how a group of commands joins the
// command line.
//
// A group's Add function registers its subcommands; the callback of the one
// chosen does the work and leaves its outcome in the Context.
// Thread safety: none; one command runs per Context.

#ifndef GANTRY_TOOLS_CTL_COMMAND_H_
#define GANTRY_TOOLS_CTL_COMMAND_H_

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/ctl/client.h"

namespace CLI {
class App;
}  // namespace CLI

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace gantry::ctl {

struct Context {
  Context(std::ostream& out_stream, std::ostream& err_stream)
      : out(out_stream), err(err_stream) {}

  std::ostream& out;
  std::ostream& err;
  std::string endpoint;
  // Zero: each verb's own limit.
  absl::Duration timeout;
  bool json = false;

  // How the command ended; a program's exit code is passed on when OK.
  absl::Status result;
  int exit_code = 0;

  // The connection, made at the first use.
  absl::StatusOr<Client*> Connect();

  // A message as pretty JSON with a newline.
  absl::Status PrintJson(const google::protobuf::Message& message);

 private:
  std::unique_ptr<Client> client_;
};

// A message as compact JSON; fields at their defaults are written as well.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);

// Runs `action`, a function of the Client that returns a Status, and stores how
// it ended.
template <typename Action>
void RunWithClient(Context& context, const Action& action) {
  absl::StatusOr<Client*> client = context.Connect();
  context.result = client.ok() ? action(**client) : client.status();
}

// Runs `action` for every name, also after a failure, and prints each name that
// it worked for. Returns the first error; later ones are printed at once.
absl::Status ForEach(
    Context& context, const std::vector<std::string>& names,
    const std::function<absl::Status(const std::string&)>& action);

void AddServerCommands(CLI::App& app, Context& context);  // version, info
void AddPullCommand(CLI::App& app, Context& context);
void AddImageCommands(CLI::App& app, Context& context);    // load, images, rmi
void AddStoreCommands(CLI::App& app, Context& context);    // save, tag, du, ...
void AddInspectCommands(CLI::App& app, Context& context);  // inspect, history
void AddListCommands(CLI::App& app, Context& context);     // ps, pods
void AddStatsCommand(CLI::App& app, Context& context);
void AddEventsCommand(CLI::App& app, Context& context);
void AddRunCommand(CLI::App& app, Context& context);
void AddLogsCommand(CLI::App& app, Context& context);
void AddExecCommand(CLI::App& app, Context& context);
void AddStreamCommands(CLI::App& app, Context& context);  // attach, ...
void AddEndCommands(CLI::App& app, Context& context);  // stop, rm, stopp, rmp

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_COMMAND_H_
