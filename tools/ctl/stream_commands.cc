// gantryctl attach and port-forward, which stream as exec -i does.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <vector>

#include "runtime/base/status.h"
#include "tools/ctl/command.h"
#include "tools/ctl/port_forwarder.h"
#include "tools/ctl/remote_command.h"
#include "tools/ctl/resolve.h"

namespace gantry::ctl {
namespace {

struct AttachOptions {
  std::string container;
  bool interactive = false;
  bool terminal = false;
};

struct PortForwardOptions {
  std::string pod;
  std::vector<std::string> ports;
};

absl::Status Attach(Context& context, Client& client,
                    const AttachOptions& options) {
  ASSIGN_OR_RETURN(v1::Container container,
                   FindContainer(client, options.container));
  v1::AttachRequest request;
  request.set_container_id(container.id());
  request.set_stdin(options.interactive);
  request.set_stdout(true);
  request.set_stderr(!options.terminal);
  request.set_tty(options.terminal);
  ASSIGN_OR_RETURN(v1::AttachResponse answer, client.Call(request));
  RemoteStreams streams;
  if (options.interactive) streams.in = STDIN_FILENO;
  streams.out = STDOUT_FILENO;
  streams.err = STDERR_FILENO;
  streams.terminal = options.terminal;
  ASSIGN_OR_RETURN(context.exit_code, RunRemoteCommand(answer.url(), streams));
  return absl::OkStatus();
}

absl::Status PortForward(Context& context, Client& client,
                         const PortForwardOptions& options) {
  std::vector<ForwardedPort> ports;
  for (const std::string& text : options.ports) {
    ASSIGN_OR_RETURN(ForwardedPort port, ParseForwardedPort(text));
    ports.push_back(port);
  }
  ASSIGN_OR_RETURN(v1::PodSandbox pod, FindPod(client, options.pod));
  v1::PortForwardRequest request;
  request.set_pod_sandbox_id(pod.id());
  for (const ForwardedPort& port : ports) request.add_port(port.remote);
  ASSIGN_OR_RETURN(v1::PortForwardResponse answer, client.Call(request));
  return ForwardPorts(answer.url(), ports, context.out, context.err);
}

void AddAttach(CLI::App& app, Context& context) {
  CLI::App* attach = app.add_subcommand(
      "attach", "Show a container's output as it comes, and feed its input");
  const auto options = std::make_shared<AttachOptions>();
  attach->add_option("container", options->container, "Id or name")->required();
  attach->add_flag("-i,--interactive", options->interactive,
                   "Send what is typed (the container needs an input)");
  attach->add_flag("-t,--tty", options->terminal,
                   "The container has a terminal");
  attach->callback([&context, options] {
    RunWithClient(context,
                  [&](Client& c) { return Attach(context, c, *options); });
  });
}

void AddPortForward(CLI::App& app, Context& context) {
  CLI::App* forward = app.add_subcommand(
      "port-forward", "Forward ports of this host's loopback into a pod");
  const auto options = std::make_shared<PortForwardOptions>();
  forward->add_option("pod", options->pod, "Id or name")->required();
  forward
      ->add_option("ports", options->ports,
                   "LOCAL:REMOTE, PORT for both, or :REMOTE for a free one")
      ->required();
  forward->callback([&context, options] {
    RunWithClient(context,
                  [&](Client& c) { return PortForward(context, c, *options); });
  });
}

}  // namespace

void AddStreamCommands(CLI::App& app, Context& context) {
  AddAttach(app, context);
  AddPortForward(app, context);
}

}  // namespace gantry::ctl
