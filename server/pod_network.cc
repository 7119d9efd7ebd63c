#include "server/pod_network.h"

#include <utility>

#include "glog/logging.h"
#include "runtime/net/bridge/bridge_network.h"
#include "runtime/net/bridge/settings.h"
#include "runtime/net/ip.h"

namespace gantry::server {

std::unique_ptr<net::PodNetwork> MakePodNetwork(const Config::Network& config) {
  if (config.provider == "none") return std::make_unique<net::NoPodNetwork>();
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

}  // namespace gantry::server
