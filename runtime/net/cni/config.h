// A network's configuration: the plugins that make a pod's attachment, in
// their order.
//
// Source: the CNI specification, section 1. Keys that the specification does
// not know belong to the plugins and are kept as they are.
// Thread safety: values and pure functions; never blocks.

#ifndef GANTRY_RUNTIME_NET_CNI_CONFIG_H_
#define GANTRY_RUNTIME_NET_CNI_CONFIG_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/json/json.h"
#include "runtime/net/cni/names.h"

namespace gantry::net::cni {

struct PluginConfig {
  std::string type;
  // What it declares to understand of runtimeConfig.
  std::set<std::string> capabilities;
  // The whole object.
  json::Value json;
};

struct NetworkConfig {
  std::string name;
  // The highest that the configuration offers and this runtime speaks.
  Version version;
  bool disable_check = false;
  bool disable_gc = false;
  // Plugins in a folder of the network's name belong to it as well.
  bool load_folder = false;
  // Not empty, unless load_folder.
  std::vector<PluginConfig> plugins;
};

enum class ConfigKind {
  kList,    // .conflist
  kPlugin,  // .conf and .json: a network of one plugin
};

// `file` is how errors name it. INVALID_ARGUMENT with the key or, if it is no
// JSON, the line.
absl::StatusOr<NetworkConfig> ParseNetworkConfig(absl::string_view text,
                                                 ConfigKind kind,
                                                 absl::string_view file);

// One plugin of a list, from a file of the network's folder.
absl::StatusOr<PluginConfig> ParsePluginConfig(absl::string_view text,
                                               absl::string_view file);

// The configuration as one JSON text that ParseNetworkConfig(kList) reads the
// same from, whatever files it came from.
std::string ToJson(const NetworkConfig& config);

}  // namespace gantry::net::cni

#endif  // GANTRY_RUNTIME_NET_CNI_CONFIG_H_
