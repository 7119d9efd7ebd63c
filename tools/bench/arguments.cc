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
  CLI::App* exec = AddMode(app, arguments, "exec",
                           "Programs run in one container, one after the other "
                           "and many at once",
                           Exec, {.count = 1000});
  AddCount(*exec, arguments, "Programs of each kind", 1000);
  AddEndpoints(*exec, arguments);
  AddParallel(*exec, arguments);
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

void AddLoadModes(CLI::App& app, Arguments& arguments) {
  ModeOptions& options = arguments.options;
  CLI::App* list = AddMode(app, arguments, "list",
                           "Many containers held: how long starting, listing, "
                           "stopping and removing them takes",
                           List, {.count = 1000, .network = "host"});
  AddCount(*list, arguments, "Containers, each in a pod of its own", 1000);
  AddEndpoints(*list, arguments, "host");
  AddParallel(*list, arguments);
  CLI::App* density =
      AddMode(app, arguments, "density",
              "Idle pods held: memory, mounts and CPU of what runs for them",
              Density, {.count = 50});
  AddCount(*density, arguments, "Pods", 50);
  AddEndpoints(*density, arguments);
  AddParallel(*density, arguments);
  density
      ->add_option("--idle-seconds", arguments.idle_seconds,
                   "How long CPU is counted, without exec probes and with them")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  CLI::App* logs =
      AddMode(app, arguments, "logs",
              "Lines through a container's log at full speed, each checked",
              Logs, {.count = 3});
  AddCount(*logs, arguments, "Rounds", 3);
  AddEndpoints(*logs, arguments);
  logs->add_option("--lines", options.lines, "Of 100 bytes, a round")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}))
      ->capture_default_str();
}

void AddEnduranceModes(CLI::App& app, Arguments& arguments) {
  ModeOptions& options = arguments.options;
  CLI::App* recover =
      AddMode(app, arguments, "recover",
              "Containers that run while their server is replaced", Recover,
              {.count = 500, .network = "host"});
  AddCount(*recover, arguments, "Containers, each in a pod of its own", 500);
  AddEndpoints(*recover, arguments, "host");
  AddParallel(*recover, arguments);
  recover
      ->add_option("--restart", options.restart,
                   "Shell command that ends the server and starts another; "
                   "its output goes to /dev/null")
      ->required();
  recover->add_option("--restarts", options.restarts, "How often")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  CLI::App* soak = AddMode(
      app, arguments, "soak",
      "Random calls, and whether anything grows by them; progress is told on "
      "standard error",
      Soak);
  AddEndpoints(*soak, arguments);
  AddParallel(*soak, arguments);
  soak->add_option("--seconds", arguments.soak_seconds, "How long")
      ->check(CLI::Range(1.0, 30 * 86400.0))
      ->capture_default_str();
  soak->add_option("--seed", options.seed, "Of the choices")
      ->capture_default_str();
  soak->add_option("--root", options.root,
                   "The server's root directory: inodes and bytes in it are "
                   "counted")
      ->check(CLI::ExistingDirectory);
}

}  // namespace

std::unique_ptr<CLI::App> NewParser(Arguments* arguments) {
  auto app = std::make_unique<CLI::App>(
      "Measures a CRI server next to the kernel's own work.", "gantry-bench");
  app->require_subcommand(1);
  AddLatencyModes(*app, *arguments);
  AddImageAndNetworkModes(*app, *arguments);
  AddLoadModes(*app, *arguments);
  AddEnduranceModes(*app, *arguments);
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
  options.idle = absl::Seconds(arguments.idle_seconds);
  options.soak = absl::Seconds(arguments.soak_seconds);
  return options;
}

}  // namespace gantry::bench
