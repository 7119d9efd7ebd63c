// Links, addresses and routes over rtnetlink.
//
// Sources: rtnetlink(7), linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h.
// The Add functions put a request into a batch; the rest ask the kernel and
// block on it for microseconds. Thread safety: as the socket.

#ifndef GANTRY_RUNTIME_NET_NETLINK_ROUTE_H_
#define GANTRY_RUNTIME_NET_NETLINK_ROUTE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/net/ip.h"
#include "runtime/net/netlink/message.h"
#include "runtime/net/netlink/socket.h"

namespace gantry::netlink {

using net::IpAddress;
using net::IpPrefix;

struct Link {
  int index = 0;
  std::string name;
  // "bridge", "veth"; empty for hardware.
  std::string kind;
  // Index of the bridge it is a port of; 0: none.
  int master = 0;
  uint32_t mtu = 0;
  // The kernel has seen its carrier come and told everyone (RFC 2863).
  bool operational = false;
};

// NOT_FOUND if there is none of that name.
absl::StatusOr<Link> GetLink(Socket& socket, absl::string_view name);
absl::StatusOr<std::vector<Link>> ListLinks(Socket& socket);

using MacAddress = std::array<uint8_t, 6>;

void AddBridge(Batch& batch, absl::string_view name, const MacAddress& mac,
               uint32_t mtu);

// A pair of veth interfaces: `name`, up, here as a port of bridge `master`;
// `peer_name`, down, in the namespace `peer_netns` (borrowed).
struct VethPair {
  std::string name;
  int master = 0;
  std::string peer_name;
  int peer_netns = -1;
  MacAddress peer_mac{};
  uint32_t mtu = 0;
};
void AddVethPair(Batch& batch, const VethPair& pair);

// Makes the link a port of bridge `master`.
void SetMaster(Batch& batch, absl::string_view name, int master);

// States of a bridge's port (linux/if_bridge.h).
enum class PortState : uint8_t { kListening = 1, kForwarding = 3 };

// Packets may leave by the port they came in by (a pod that reaches itself
// through a port of the host); `alias` is what `ip link` shows people.
void SetPort(Batch& batch, absl::string_view name, bool hairpin,
             absl::string_view alias);
void SetPortState(Batch& batch, absl::string_view name, PortState state);
void SetLinkUp(Batch& batch, int index, uint32_t mtu);
void SetLinkDown(Batch& batch, int index);
void DeleteLink(Batch& batch, absl::string_view name);

// `address.bits` makes the connected route. Usable at once: no duplicate
// address detection. One that is there is replaced by itself.
void AddAddress(Batch& batch, int link, const IpPrefix& address);
void DeleteAddress(Batch& batch, int link, const IpPrefix& address);

struct LinkAddress {
  IpPrefix address;
  // RT_SCOPE_*.
  uint8_t scope = 0;
};
absl::StatusOr<std::vector<LinkAddress>> ListAddresses(Socket& socket, int link,
                                                       bool v6);

void AddDefaultRoute(Batch& batch, int link, const IpAddress& gateway);

struct Route {
  // 0 bits: a default route.
  IpPrefix destination;
  // 0: not by one interface alone (unreachable, several next hops).
  int link = 0;
};
// Of the main table, unicast.
absl::StatusOr<std::vector<Route>> ListRoutes(Socket& socket, bool v6);

}  // namespace gantry::netlink

#endif  // GANTRY_RUNTIME_NET_NETLINK_ROUTE_H_
