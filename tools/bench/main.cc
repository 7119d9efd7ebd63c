// gantry-bench: how long a CRI server takes (tools/bench/README.md).

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "tools/bench/mode.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {
namespace {

using Mode = absl::StatusOr<Report> (*)(const ModeOptions&);

struct Arguments {
  ModeOptions options;
  std::string network = "pod";
  std::string pid = "container";
  std::vector<std::string> network_servers;
  int64_t max_seconds = 600;
  bool json = false;
  Mode mode = nullptr;
};

void AddCommon(CLI::App& command, Arguments& arguments) {
  command.add_option("--count", arguments.options.count, "How many")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command
      .add_option("--max-seconds", arguments.max_seconds,
                  "Begin nothing new after that")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  command
      .add_option("--scratch", arguments.options.scratch,
                  "Directory for the floor's files and for logs")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  command.add_flag("--json", arguments.json, "JSON in place of a table");
}

void AddEndpoint(CLI::App& command, Arguments& arguments) {
  EndpointOptions& endpoint = arguments.options.endpoint;
  command.add_option("--endpoint", endpoint.socket, "Socket of a CRI server")
      ->envname("GANTRY_ENDPOINT")
      ->capture_default_str();
  command
      .add_option("--image", endpoint.image, "On the node; has sleep and true")
      ->capture_default_str();
  command.add_option("--network", arguments.network, "host or pod")
      ->check(CLI::IsMember({"host", "pod"}))
      ->capture_default_str();
  command.add_option("--pid", arguments.pid, "PID namespace: container or pod")
      ->check(CLI::IsMember({"container", "pod"}))
      ->capture_default_str();
}

void AddPull(CLI::App& command, Arguments& arguments) {
  ModeOptions& options = arguments.options;
  command
      .add_option("--endpoint", options.pull_endpoints,
                  "Socket of a CRI server; more than one are compared")
      ->required();
  command
      .add_option("--image", options.endpoint.image,
                  "In a registry, and on none of the servers' nodes")
      ->required();
}

// TITLE=NETWORK@ENDPOINT
CLI::Validator IsNetworkServer() {
  return CLI::Validator(
      [](std::string& text) -> std::string {
        const size_t equals = text.find('=');
        const size_t at = text.find('@', equals);
        if (equals == 0 || at == std::string::npos) {
          return "not TITLE=NETWORK@ENDPOINT: " + text;
        }
        const std::string network = text.substr(equals + 1, at - equals - 1);
        if (network == "host" || network == "pod") return "";
        return "neither host nor pod: " + network;
      },
      "TITLE=NETWORK@ENDPOINT");
}

NetworkServer NetworkServerOf(const std::string& text,
                              const EndpointOptions& common) {
  const size_t equals = text.find('=');
  const size_t at = text.find('@', equals);
  NetworkServer server = {text.substr(0, equals), common};
  server.endpoint.host_network = text.substr(equals + 1, 4) == "host";
  server.endpoint.socket = text.substr(at + 1);
  return server;
}

void AddNetworks(CLI::App& command, Arguments& arguments) {
  ModeOptions& options = arguments.options;
  command
      .add_option("--server", arguments.network_servers,
                  "A server and the network (host, pod) of its pods; more than "
                  "one are compared")
      ->check(IsNetworkServer())
      ->required();
  command
      .add_option("--image", options.endpoint.image, "On the servers' nodes")
      ->capture_default_str();
  command
      .add_option("--plugins", options.cni_config,
                  "A CNI configuration (*.conflist) whose plugins are run bare")
      ->check(CLI::ExistingFile);
  command
      .add_option("--plugin-dir", options.cni_plugins, "Where the plugins are")
      ->capture_default_str();
}

CLI::App* AddMode(CLI::App& app, Arguments& arguments, const char* name,
                  const char* what, Mode mode) {
  CLI::App* command = app.add_subcommand(name, what);
  AddCommon(*command, arguments);
  command->callback([&arguments, mode] { arguments.mode = mode; });
  return command;
}

int Run(int argc, char** argv) {
  CLI::App app("Measures a CRI server next to the kernel's own work.",
               "gantry-bench");
  app.require_subcommand(1);
  Arguments arguments;
  AddEndpoint(
      *AddMode(app, arguments, "latency",
               "Each call of a pod's life, one after the other", Latency),
      arguments);
  CLI::App* parallel = AddMode(app, arguments, "parallel",
                               "Many pods at once: lives per second", Parallel);
  AddEndpoint(*parallel, arguments);
  parallel
      ->add_option("--parallel", arguments.options.parallel, "How many at once")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  AddPull(*AddMode(app, arguments, "pull",
                   "Cold pulls of an image, which is removed after each", Pull),
          arguments);
  AddNetworks(*AddMode(app, arguments, "networks",
                       "Pods alone, on servers in turn, and CNI plugins bare",
                       Networks),
              arguments);
  AddMode(app, arguments, "floor", "The kernel's own work alone", FloorOnly);
  CLI11_PARSE(app, argc, argv);
  arguments.options.endpoint.host_network = arguments.network == "host";
  arguments.options.endpoint.pod_pid = arguments.pid == "pod";
  for (const std::string& server : arguments.network_servers) {
    arguments.options.network_servers.push_back(
        NetworkServerOf(server, arguments.options.endpoint));
  }
  arguments.options.longest = absl::Seconds(arguments.max_seconds);
  ctl::CatchInterrupts();
  const absl::StatusOr<Report> report = arguments.mode(arguments.options);
  if (!report.ok()) {
    std::cerr << "gantry-bench: " << report.status().message() << '\n';
    const std::string hint = ctl::HintOf(report.status());
    if (!hint.empty()) std::cerr << "  " << hint << '\n';
    return absl::IsCancelled(report.status()) ? 130 : 1;
  }
  std::cout << (arguments.json ? report->Json() + "\n" : report->Table());
  return 0;
}

}  // namespace
}  // namespace gantry::bench

int main(int argc, char** argv) { return gantry::bench::Run(argc, argv); }
