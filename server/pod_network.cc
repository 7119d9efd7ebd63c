#include "server/pod_network.h"

#include <stdlib.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "glog/logging.h"
#include "runtime/net/bridge/bridge_network.h"
#include "runtime/net/bridge/settings.h"
#include "runtime/net/chosen_network.h"
#include "runtime/net/cni/cni_network.h"
#include "runtime/net/ip.h"

namespace gantry::server {
namespace {

constexpr char kPluginPath[] =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::unique_ptr<net::PodNetwork> MakeBridge(const Config::Network& config) {
  net::BridgeSettings settings;
  settings.bridge = config.bridge;
  settings.mtu = static_cast<uint32_t>(config.mtu);
  for (const std::string& subnet : {config.subnet4, config.subnet6}) {
    if (subnet.empty()) continue;
    absl::StatusOr<net::IpPrefix> range = net::ParsePrefix(subnet);
    CHECK(range.ok()) << "the configuration was checked: " << range.status();
    settings.subnets.push_back(*range);
  }
  return std::make_unique<net::BridgeNetwork>(std::move(settings));
}

std::unique_ptr<net::cni::CniNetwork> MakeCni(const Config::Network::Cni& cni,
                                              const core::Paths& paths) {
  net::cni::CniSettings settings;
  settings.config_dir = cni.config_dir;
  settings.network_name = cni.network_name;
  settings.plugins.directories = cni.plugin_dirs;
  // Plugins run iptables and the like, where this host has them.
  const char* path = ::getenv("PATH");
  settings.plugins.path = path != nullptr && *path != 0 ? path : kPluginPath;
  settings.timeout = cni.timeout;
  settings.cache_dir = paths.CniResults();
  settings.input_dir = paths.CniInputs();
  settings.report = [](const absl::Status& status) { LOG(WARNING) << status; };
  return std::make_unique<net::cni::CniNetwork>(std::move(settings));
}

}  // namespace

std::unique_ptr<net::PodNetwork> MakePodNetwork(const Config::Network& config,
                                                const core::Paths& paths) {
  std::unique_ptr<net::cni::CniNetwork> cni = MakeCni(config.cni, paths);
  std::function<std::string()> choose = [provider = config.provider] {
    return provider;
  };
  if (config.provider == "auto") {
    choose = [&plugins = *cni]() -> std::string {
      return plugins.HasConfig() ? net::kCniProvider : net::kBridgeProvider;
    };
  }
  net::ChosenNetwork::Providers providers;
  providers[net::kBridgeProvider] = MakeBridge(config);
  providers[net::kNoProvider] = std::make_unique<net::NoPodNetwork>();
  providers[net::kCniProvider] = std::move(cni);
  return std::make_unique<net::ChosenNetwork>(std::move(providers),
                                              std::move(choose));
}

}  // namespace gantry::server
