// How the built-in pod network is set up. A value.

#ifndef GANTRY_RUNTIME_NET_BRIDGE_SETTINGS_H_
#define GANTRY_RUNTIME_NET_BRIDGE_SETTINGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/net/ip.h"

namespace gantry::net {

struct BridgeSettings {
  // At most 15 bytes (IFNAMSIZ less its zero byte).
  std::string bridge = "gantry0";
  // At most one per family, the first one foremost: where pods' addresses are
  // from. The first address of each is the bridge's own.
  std::vector<IpPrefix> subnets;
  // 0: that of the interface of the default route, else 1500.
  uint32_t mtu = 0;
};

// The nftables table, of the inet family. Another bridge, another table: two
// servers side by side do not take each other's away.
inline std::string TableOf(const std::string& bridge) {
  return bridge == "gantry0" ? "gantry" : "gantry-" + bridge;
}

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_BRIDGE_SETTINGS_H_
