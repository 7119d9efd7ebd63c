#include "tools/bench/arguments.h"

#include <CLI/CLI.hpp>

namespace gantry::bench {
namespace {

// TITLE=NETWORK@ENDPOINT
CLI::Validator IsServer() {
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

NamedServer ServerOf(const std::string& text, const EndpointOptions& common) {
  const size_t equals = text.find('=');
  const size_t at = text.find('@', equals);
  NamedServer server = {text.substr(0, equals), common};
  server.endpoint.host_network = text.substr(equals + 1, 4) == "host";
  server.endpoint.socket = text.substr(at + 1);
  return server;
}

// What a mode takes if nothing is said.
struct Defaults {
  int count = 100;
  const char* network = "pod";
};

CLI::App* AddMode(CLI::App& app, Arguments& arguments, const char* name,
                  const char* what, Mode mode, Defaults defaults = {}) {
  CLI::App* command = app.add_subcommand(name, what);
  command
      ->add_option("--max-seconds", arguments.max_seconds,
                   "Begin nothing new after that")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  command
      ->add_option("--scratch", arguments.options.scratch,
                   "Directory for the floor's files and for logs")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  command->add_flag("--json", arguments.json, "JSON in place of a table");
  command->add_option("--svg", arguments.svg,
                      "File for a plot of the rows' distributions");
  command->callback([&arguments, mode, defaults, command] {
    arguments.mode = mode;
    if (command->get_option_no_throw("--count") == nullptr ||
        command->count("--count") == 0) {
      arguments.options.count = defaults.count;
    }
    if (arguments.network.empty()) arguments.network = defaults.network;
  });
  return command;
}

// `default_count`: as the mode's Defaults have it.
void AddCount(CLI::App& command, Arguments& arguments, const char* what,
              int default_count = Defaults().count) {
  command.add_option("--count", arguments.options.count, what)
      ->check(CLI::Range(1, 1'000'000))
      ->default_str(std::to_string(default_count));
}

void AddParallel(CLI::App& command, Arguments& arguments) {
  command
      .add_option("--parallel", arguments.options.parallel, "How many at once")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

void AddImage(CLI::App& command, Arguments& arguments) {
  command
      .add_option("--image", arguments.options.endpoint.image,
                  "On the servers' nodes; has sleep and true")
      ->capture_default_str();
}

CLI::Option* AddServers(CLI::App& command, Arguments& arguments) {
  return command
      .add_option("--server", arguments.servers,
                  "A server and the network (host, pod) of its pods; more than "
                  "one are compared")
      ->check(IsServer());
}

// One server by --endpoint, or several by --server.
void AddEndpoints(CLI::App& command, Arguments& arguments,
                  const char* network = "pod") {
  EndpointOptions& endpoint = arguments.options.endpoint;
  CLI::Option* servers = AddServers(command, arguments);
  command.add_option("--endpoint", endpoint.socket, "Socket of a CRI server")
      ->envname("GANTRY_ENDPOINT")
      ->capture_default_str();
  AddImage(command, arguments);
  command.add_option("--network", arguments.network, "host or pod")
      ->check(CLI::IsMember({"host", "pod"}))
      ->default_str(network)
      ->excludes(servers);
  command.add_option("--pid", arguments.pid, "PID namespace: container or pod")
      ->check(CLI::IsMember({"container", "pod"}))
      ->capture_default_str();
}

void AddLatencyModes(CLI::App& app, Arguments& arguments) {
  CLI::App* latency =
      AddMode(app, arguments, "latency",
              "Each call of a pod's life, one after the other", Latency);
  AddCount(*latency, arguments, "Lives");
  AddEndpoints(*latency, arguments);
  CLI::App* parallel = AddMode(app, arguments, "parallel",
                               "Many pods at once: lives per second", Parallel);
  AddCount(*parallel, arguments, "Lives");
  AddEndpoints(*parallel, arguments);
  AddParallel(*parallel, arguments);
  CLI::App* floor = AddMode(app, arguments, "floor",
                            "The kernel's own work alone", FloorOnly);
  AddCount(*floor, arguments, "Measurements");
}

void AddImageAndNetworkModes(CLI::App& app, Arguments& arguments) {
  ModeOptions& options = arguments.options;
  CLI::App* pull =
      AddMode(app, arguments, "pull",
              "Cold pulls of an image, which is removed after each", Pull);
  AddCount(*pull, arguments, "Pulls");
  pull->add_option("--endpoint", options.pull_endpoints,
                   "Socket of a CRI server; more than one are compared")
      ->required();
  pull->add_option("--image", options.endpoint.image,
                   "In a registry, and on none of the servers' nodes")
      ->required();
  CLI::App* networks =
      AddMode(app, arguments, "networks",
              "Pods alone, on servers in turn, and CNI plugins bare", Networks);
  AddCount(*networks, arguments, "Pods");
  AddServers(*networks, arguments)->required();
  AddImage(*networks, arguments);
  networks
      ->add_option("--plugins", options.cni_config,
                   "A CNI configuration (*.conflist) whose plugins are run "
                   "bare")
      ->check(CLI::ExistingFile);
  networks
      ->add_option("--plugin-dir", options.cni_plugins, "Where the plugins are")
      ->capture_default_str();
}

}  // namespace

std::unique_ptr<CLI::App> NewParser(Arguments* arguments) {
  auto app = std::make_unique<CLI::App>(
      "Measures a CRI server next to the kernel's own work.", "gantry-bench");
  app->require_subcommand(1);
  AddLatencyModes(*app, *arguments);
  AddImageAndNetworkModes(*app, *arguments);
  return app;
}

ModeOptions OptionsOf(const Arguments& arguments) {
  ModeOptions options = arguments.options;
  options.endpoint.host_network = arguments.network == "host";
  options.endpoint.pod_pid = arguments.pid == "pod";
  for (const std::string& server : arguments.servers) {
    options.servers.push_back(ServerOf(server, options.endpoint));
  }
  // One needs no name to be told from others by.
  if (options.servers.size() == 1) options.servers[0].title.clear();
  options.longest = absl::Seconds(arguments.max_seconds);
  return options;
}

}  // namespace gantry::bench
