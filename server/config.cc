#include "server/config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/conf/table.h"
#include "runtime/image/reference.h"
#include "runtime/sys/file.h"
#include "server/config_keys.h"
#include "server/metrics/address.h"

namespace gantry::server {
namespace {

using conf::Bad;
using conf::Table;
using conf::Where;

// sockaddr_un.sun_path less its zero byte.
constexpr size_t kMaxSocketPath = 107;
constexpr size_t kMaxFileBytes = 1 << 20;

constexpr std::pair<absl::string_view, LogLevel> kLogLevels[] = {
    {"error", LogLevel::kError},
    {"warning", LogLevel::kWarning},
    {"info", LogLevel::kInfo},
    {"debug", LogLevel::kDebug}};

bool IsInside(absl::string_view path, absl::string_view directory) {
  return path == directory ||
         absl::StartsWith(path, absl::StrCat(directory, "/"));
}

absl::StatusOr<LogLevel> ParseLogLevel(const Where& where,
                                       absl::string_view text) {
  for (const auto& [name, level] : kLogLevels) {
    if (name == text) return level;
  }
  return Bad(where, absl::StrCat("expected error, warning, info or debug, "
                                 "found \"",
                                 text, "\""));
}

// The four settings that flags may overrule: value and where it came from.
struct Setting {
  std::string value;
  Where where;
};

absl::StatusOr<Setting> TakeSetting(Table& table, absl::string_view key,
                                    absl::string_view flag_name,
                                    const std::optional<std::string>& flag,
                                    absl::string_view default_value) {
  Setting setting{std::string(default_value), table.At(key)};
  // The file's value has to be good even where a flag overrules it.
  RETURN_IF_ERROR(table.Take(key, setting.value));
  if (flag.has_value()) setting = {*flag, std::string(flag_name)};
  return setting;
}

absl::Status TakePlaces(Table& table, const ConfigFlags& flags,
                        Config& config) {
  ASSIGN_OR_RETURN(Setting root, TakeSetting(table, "root", "--root",
                                             flags.root, config.root));
  RETURN_IF_ERROR(CheckPath(root.where, root.value));
  ASSIGN_OR_RETURN(Setting run,
                   TakeSetting(table, "run", "--run", flags.run, config.run));
  RETURN_IF_ERROR(CheckPath(run.where, run.value));
  if (IsInside(run.value, root.value) || IsInside(root.value, run.value)) {
    return Bad(run.where,
               absl::StrCat("expected two directories of which neither lies "
                            "in the other, found run \"",
                            run.value, "\" and root \"", root.value, "\""));
  }
  ASSIGN_OR_RETURN(Setting socket,
                   TakeSetting(table, "socket", "--socket", flags.socket,
                               absl::StrCat(run.value, "/gantry.sock")));
  RETURN_IF_ERROR(CheckPath(socket.where, socket.value));
  if (socket.value.size() > kMaxSocketPath) {
    return Bad(socket.where,
               absl::StrCat("expected a path of at most ", kMaxSocketPath,
                            " bytes, found ", socket.value.size()));
  }
  config.root = root.value;
  config.run = run.value;
  config.socket = socket.value;
  return absl::OkStatus();
}

absl::Status TakeTop(Table& table, const ConfigFlags& flags, Config& config) {
  RETURN_IF_ERROR(TakePlaces(table, flags, config));
  ASSIGN_OR_RETURN(
      Setting log_level,
      TakeSetting(table, "log_level", "--log-level", flags.log_level,
                  LogLevelName(config.log_level)));
  ASSIGN_OR_RETURN(config.log_level,
                   ParseLogLevel(log_level.where, log_level.value));
  RETURN_IF_ERROR(table.Take("shim_path", config.shim_path));
  if (!config.shim_path.empty()) {
    RETURN_IF_ERROR(CheckPath(table.At("shim_path"), config.shim_path));
  }
  RETURN_IF_ERROR(table.Take("cgroup_driver", config.cgroup_driver));
  if (config.cgroup_driver != "auto" && config.cgroup_driver != "systemd" &&
      config.cgroup_driver != "cgroupfs") {
    return Bad(table.At("cgroup_driver"),
               absl::StrCat("expected auto, systemd or cgroupfs, found \"",
                            config.cgroup_driver, "\""));
  }
  int seconds = static_cast<int>(absl::ToInt64Seconds(config.drain_timeout));
  RETURN_IF_ERROR(table.Take("drain_timeout_seconds", 0, 3600, seconds));
  config.drain_timeout = absl::Seconds(seconds);
  return table.Take("trace_steps", config.trace_steps);
}

absl::Status TakeSecurity(Table& top, Config::Security& security) {
  ASSIGN_OR_RETURN(Table table, top.TakeTable("security"));
  std::string profile = "unconfined";
  RETURN_IF_ERROR(table.Take("unset_seccomp_profile", profile));
  if (profile != "unconfined" && profile != "runtime-default") {
    return Bad(table.At("unset_seccomp_profile"),
               absl::StrCat("expected \"unconfined\" or \"runtime-default\", "
                            "found \"",
                            profile, "\""));
  }
  security.default_seccomp_when_unset = profile == "runtime-default";
  return table.CheckAllTaken();
}

// "host" or "host:port", as it stands in image references.
bool IsHost(absl::string_view text) {
  if (text.empty()) return false;
  for (char c : text) {
    if (!absl::ascii_isalnum(c) &&
        absl::string_view(".-:[]").find(c) == absl::string_view::npos)
      return false;
  }
  return true;
}

absl::Status TakeHosts(Table& table, absl::string_view key,
                       std::vector<std::string>& hosts) {
  RETURN_IF_ERROR(table.Take(key, hosts));
  for (const std::string& host : hosts) {
    if (IsHost(host)) continue;
    return Bad(table.At(key),
               absl::StrCat("expected entries such as \"localhost:5000\", "
                            "found \"",
                            host, "\""));
  }
  return absl::OkStatus();
}

// The patience with registries, and which of them lie where.
absl::Status TakeRegistryHosts(Table& table, Config::Registry& registry) {
  RETURN_IF_ERROR(table.TakeOneOrMore("config_path", registry.config_paths));
  for (const std::string& path : registry.config_paths) {
    RETURN_IF_ERROR(CheckPath(table.At("config_path"), path));
  }
  RETURN_IF_ERROR(TakeHosts(table, "insecure_hosts", registry.insecure_hosts));
  RETURN_IF_ERROR(TakeHosts(table, "internal_hosts", registry.internal_hosts));
  RETURN_IF_ERROR(TakeHosts(table, "no_proxy", registry.no_proxy));
  RETURN_IF_ERROR(
      TakeSeconds(table, "connect_timeout_seconds", registry.connect_timeout));
  RETURN_IF_ERROR(
      TakeSeconds(table, "stall_timeout_seconds", registry.stall_timeout));
  return table.Take("attempts", 1, 100, registry.attempts);
}

// Whole as far as it is given: a registry and a path, no tag.
bool IsRepository(const std::string& text) {
  absl::StatusOr<image::Reference> reference = image::ParseReference(text);
  return reference.ok() && reference->Name() == text;
}

absl::Status TakeShortNames(Table& table, Config::Registry& registry) {
  ASSIGN_OR_RETURN(Table names, table.TakeTable("short_names"));
  RETURN_IF_ERROR(names.Take("default_registry", registry.default_registry));
  if (!IsRepository(registry.default_registry + "/x/y")) {
    return Bad(
        names.At("default_registry"),
        absl::StrCat("expected a registry such as \"registry.lan:5000\", "
                     "found \"",
                     registry.default_registry, "\""));
  }
  ASSIGN_OR_RETURN(Table aliases, names.TakeTable("aliases"));
  for (const std::string& name : aliases.Keys()) {
    std::string& whole = registry.aliases[name];
    RETURN_IF_ERROR(aliases.Take(name, whole));
    absl::StatusOr<image::Reference> alias = image::ParseReference(name);
    if (!alias.ok() || alias->domain != "docker.io" ||
        !absl::EndsWith(alias->Tagged(), name + ":latest")) {
      return Bad(aliases.At(name),
                 "expected a name without registry and tag to be given one");
    }
    if (!IsRepository(whole)) {
      return Bad(aliases.At(name),
                 absl::StrCat("expected a registry and a path without a tag, "
                              "such as \"docker.io/library/busybox\", found \"",
                              whole, "\""));
    }
  }
  return names.CheckAllTaken();
}

absl::Status TakeRegistry(Table& top, Config::Registry& registry) {
  ASSIGN_OR_RETURN(Table table, top.TakeTable("registry"));
  RETURN_IF_ERROR(TakeRegistryHosts(table, registry));
  RETURN_IF_ERROR(TakeShortNames(table, registry));
  RETURN_IF_ERROR(table.Take("proxy", registry.proxy));
  if (!registry.proxy.empty() && !absl::StartsWith(registry.proxy, "http://")) {
    // Not shown: it may hold a password.
    return Bad(table.At("proxy"), "expected \"http://host:port\"");
  }
  const std::pair<absl::string_view, std::string*> files[] = {
      {"ca_file", &registry.ca_file},
      {"client_certificate", &registry.client_certificate},
      {"client_key", &registry.client_key}};
  for (const auto& [key, path] : files) {
    RETURN_IF_ERROR(table.Take(key, *path));
    if (!path->empty()) {
      RETURN_IF_ERROR(CheckPath(table.At(key), *path));
    }
  }
  if (registry.client_certificate.empty() != registry.client_key.empty()) {
    return Bad(table.At(registry.client_key.empty() ? "client_certificate"
                                                    : "client_key"),
               "expected client_certificate and client_key together");
  }
  return table.CheckAllTaken();
}

absl::Status TakeImages(Table& top, const Config::Registry& registry,
                        Config::Images& images) {
  ASSIGN_OR_RETURN(Table table, top.TakeTable("images"));
  std::vector<std::string> pinned;
  RETURN_IF_ERROR(table.Take("pinned", pinned));
  for (const std::string& name : pinned) {
    absl::StatusOr<image::Reference> reference = image::ParseReference(
        image::Qualify(name, {.registry = registry.default_registry,
                              .aliases = registry.aliases}));
    if (!reference.ok()) {
      return Bad(table.At("pinned"), reference.status().message());
    }
    images.pinned.push_back(reference->digest ? reference->Digested()
                                              : reference->Tagged());
  }
  RETURN_IF_ERROR(
      table.Take("max_parallel_layers", 1, 16, images.max_parallel_layers));
  RETURN_IF_ERROR(table.Take("parallel_ranges", 1, 16, images.parallel_ranges));
  RETURN_IF_ERROR(table.Take("range_mib", 1, 64, images.range_mib));
  RETURN_IF_ERROR(
      table.Take("max_inflation", 1, 1'000'000, images.max_inflation));
  return table.CheckAllTaken();
}

// As Kubernetes spells a RuntimeClass's handler: a DNS label.
bool IsHandlerName(absl::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  for (char c : text) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '-') {
      return false;
    }
  }
  return text.front() != '-' && text.back() != '-';
}

// A table per handler, without keys so far.
absl::Status TakeRuntimeHandlers(Table& top,
                                 std::vector<std::string>& handlers) {
  ASSIGN_OR_RETURN(Table table, top.TakeTable("runtime_handlers"));
  for (const std::string& name : table.Keys()) {
    if (!IsHandlerName(name)) {
      return Bad(table.At(name),
                 "expected a name of lower case letters, digits and '-'");
    }
    ASSIGN_OR_RETURN(Table handler, table.TakeTable(name));
    RETURN_IF_ERROR(handler.CheckAllTaken());
    handlers.push_back(name);
  }
  return absl::OkStatus();
}

absl::Status TakeCdi(Table& top, Config::Cdi& cdi) {
  ASSIGN_OR_RETURN(Table table, top.TakeTable("cdi"));
  RETURN_IF_ERROR(table.Take("spec_dirs", cdi.spec_dirs));
  for (const std::string& directory : cdi.spec_dirs) {
    RETURN_IF_ERROR(CheckPath(table.At("spec_dirs"), directory));
  }
  return table.CheckAllTaken();
}

absl::Status TakeThreads(Table& top, Config::Threads& threads) {
  ASSIGN_OR_RETURN(Table table, top.TakeTable("threads"));
  RETURN_IF_ERROR(table.Take("core", 1, 64, threads.core));
  RETURN_IF_ERROR(table.Take("blocking", 1, 256, threads.blocking));
  return table.CheckAllTaken();
}

bool IsIpAddress(const std::string& text) {
  in6_addr address;
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

absl::Status TakeStreaming(Table& top, Config::Streaming& streaming) {
  ASSIGN_OR_RETURN(Table table, top.TakeTable("streaming"));
  RETURN_IF_ERROR(table.Take("address", streaming.address));
  if (!IsIpAddress(streaming.address)) {
    return Bad(table.At("address"),
               absl::StrCat("expected an IP address, found \"",
                            streaming.address, "\""));
  }
  RETURN_IF_ERROR(table.Take("port", 0, UINT16_MAX, streaming.port));
  for (const auto& [key, path] : {std::pair<absl::string_view, std::string*>{
                                      "certificate", &streaming.certificate},
                                  {"key", &streaming.key}}) {
    RETURN_IF_ERROR(table.Take(key, *path));
    if (!path->empty()) {
      RETURN_IF_ERROR(CheckPath(table.At(key), *path));
    }
  }
  if (streaming.certificate.empty() != streaming.key.empty()) {
    return Bad(table.At(streaming.key.empty() ? "certificate" : "key"),
               "expected certificate and key together");
  }
  int seconds = static_cast<int>(absl::ToInt64Seconds(streaming.idle_timeout));
  RETURN_IF_ERROR(table.Take("idle_timeout_seconds", 1, 7 * 86400, seconds));
  streaming.idle_timeout = absl::Seconds(seconds);
  return table.CheckAllTaken();
}

absl::Status TakeMetrics(Table& top, Config::Metrics& metrics) {
  ASSIGN_OR_RETURN(Table table, top.TakeTable("metrics"));
  RETURN_IF_ERROR(table.Take("address", metrics.address));
  if (!metrics.address.empty() &&
      !metrics::ParseAddress(metrics.address).has_value()) {
    return Bad(table.At("address"),
               absl::StrCat("expected an IP address and a port, such as "
                            "\"127.0.0.1:9323\" or \"[::1]:9323\", found \"",
                            metrics.address, "\""));
  }
  return table.CheckAllTaken();
}

}  // namespace

absl::StatusOr<Config> MakeConfig(absl::string_view toml_text,
                                  absl::string_view file_name,
                                  const ConfigFlags& flags) {
  ASSIGN_OR_RETURN(toml::table parsed, conf::Parse(toml_text, file_name));
  Table top(parsed, file_name, "");
  Config config;
  RETURN_IF_ERROR(TakeTop(top, flags, config));
  RETURN_IF_ERROR(TakeSecurity(top, config.security));
  RETURN_IF_ERROR(TakeNetwork(top, config.network));
  RETURN_IF_ERROR(TakeRegistry(top, config.registry));
  RETURN_IF_ERROR(TakeImages(top, config.registry, config.images));
  RETURN_IF_ERROR(TakeContainers(top, config.containers));
  RETURN_IF_ERROR(TakeRuntimeHandlers(top, config.runtime_handlers));
  RETURN_IF_ERROR(TakeCdi(top, config.cdi));
  RETURN_IF_ERROR(TakeThreads(top, config.threads));
  RETURN_IF_ERROR(TakeStreaming(top, config.streaming));
  RETURN_IF_ERROR(TakeMetrics(top, config.metrics));
  RETURN_IF_ERROR(top.CheckAllTaken());
  return config;
}

absl::StatusOr<Config> LoadConfig(const std::string& path,
                                  const ConfigFlags& flags) {
  const std::string file = path.empty() ? kDefaultConfigPath : path;
  absl::StatusOr<std::string> text =
      sys::ReadFileAt(AT_FDCWD, file, kMaxFileBytes);
  if (path.empty() && absl::IsNotFound(text.status())) {
    return MakeConfig("", file, flags);
  }
  RETURN_IF_ERROR(text) << "read the configuration";
  return MakeConfig(*text, file, flags);
}

absl::string_view LogLevelName(LogLevel level) {
  for (const auto& [name, known] : kLogLevels) {
    if (known == level) return name;
  }
  return "?";
}

}  // namespace gantry::server
