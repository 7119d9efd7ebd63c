#include "server/config_json.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/conf/size.h"
#include "runtime/json/json.h"

namespace gantry::server {

std::string ConfigJson(const Config& config) {
  const Config::Network& network = config.network;
  const Config::Registry& registry = config.registry;
  const Config::Containers::Log& log = config.containers.log;
  auto quote = [](std::string* out, const std::string& text) {
    absl::StrAppend(out, json::Quote(text));
  };
  return absl::StrCat(
      "{\"root\":", json::Quote(config.root),
      ",\"run\":", json::Quote(config.run),
      ",\"socket\":", json::Quote(config.socket),
      ",\"log_level\":", json::Quote(LogLevelName(config.log_level)),
      ",\"shim_path\":", json::Quote(config.shim_path),
      ",\"cgroup_driver\":", json::Quote(config.cgroup_driver),
      ",\"drain_timeout_seconds\":", absl::ToInt64Seconds(config.drain_timeout),
      ",\"trace_steps\":", config.trace_steps ? "true" : "false",
      ",\"security\":{\"unset_seccomp_profile\":",
      config.security.default_seccomp_when_unset ? "\"runtime-default\""
                                                 : "\"unconfined\"",
      "},\"network\":{\"provider\":", json::Quote(network.provider),
      ",\"bridge\":", json::Quote(network.bridge),
      ",\"subnet4\":", json::Quote(network.subnet4),
      ",\"subnet6\":", json::Quote(network.subnet6), ",\"mtu\":", network.mtu,
      ",\"cni\":{\"config_dir\":", json::Quote(network.cni.config_dir),
      ",\"plugin_dirs\":[", absl::StrJoin(network.cni.plugin_dirs, ",", quote),
      "],\"network_name\":", json::Quote(network.cni.network_name),
      ",\"timeout_seconds\":", absl::ToInt64Seconds(network.cni.timeout),
      "}},\"registry\":{\"config_path\":[",
      absl::StrJoin(registry.config_paths, ",", quote),
      "],\"insecure_hosts\":[",
      absl::StrJoin(registry.insecure_hosts, ",", quote),
      "],\"internal_hosts\":[",
      absl::StrJoin(registry.internal_hosts, ",", quote),
      "],\"default_registry\":", json::Quote(registry.default_registry),
      ",\"aliases\":{",
      absl::StrJoin(registry.aliases, ",",
                    [](std::string* out, const auto& alias) {
                      absl::StrAppend(out, json::Quote(alias.first), ":",
                                      json::Quote(alias.second));
                    }),
      "},\"has_proxy\":", registry.proxy.empty() ? "false" : "true",
      ",\"no_proxy\":[", absl::StrJoin(registry.no_proxy, ",", quote),
      "],\"connect_timeout_seconds\":",
      absl::ToInt64Seconds(registry.connect_timeout),
      ",\"stall_timeout_seconds\":",
      absl::ToInt64Seconds(registry.stall_timeout),
      ",\"attempts\":", registry.attempts,
      ",\"ca_file\":", json::Quote(registry.ca_file),
      ",\"client_certificate\":", json::Quote(registry.client_certificate),
      "},\"images\":{\"pinned\":[",
      absl::StrJoin(config.images.pinned, ",", quote),
      "],\"max_parallel_layers\":", config.images.max_parallel_layers,
      ",\"parallel_ranges\":", config.images.parallel_ranges,
      ",\"range_mib\":", config.images.range_mib,
      ",\"max_inflation\":", config.images.max_inflation,
      "},\"containers\":{\"writable_layer_size\":",
      json::Quote(conf::FormatSize(config.containers.writable_layer_size)),
      ",\"log\":{\"policy\":", log.drops ? "\"drop\"" : "\"block\"",
      ",\"rate\":", json::Quote(conf::FormatSize(log.rate)),
      ",\"max_size\":", json::Quote(conf::FormatSize(log.max_size)),
      ",\"max_files\":", log.max_files, "}},\"runtime_handlers\":[",
      absl::StrJoin(config.runtime_handlers, ",", quote),
      "],\"cdi\":{\"spec_dirs\":[",
      absl::StrJoin(config.cdi.spec_dirs, ",", quote),
      "]},\"threads\":{\"core\":", config.threads.core,
      ",\"blocking\":", config.threads.blocking,
      "},\"streaming\":{\"address\":", json::Quote(config.streaming.address),
      ",\"port\":", config.streaming.port,
      ",\"certificate\":", json::Quote(config.streaming.certificate),
      ",\"idle_timeout_seconds\":",
      absl::ToInt64Seconds(config.streaming.idle_timeout),
      "},\"metrics\":{\"address\":", json::Quote(config.metrics.address), "}}");
}

}  // namespace gantry::server
