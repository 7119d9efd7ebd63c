// Which ports of the host are mapped to which pod.
//
// Thread safety: none; IsListenedTo is a function of its own that makes a
// socket. Never blocks.

#ifndef GANTRY_RUNTIME_NET_BRIDGE_PORT_TABLE_H_
#define GANTRY_RUNTIME_NET_BRIDGE_PORT_TABLE_H_

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "runtime/net/pod_network.h"

namespace gantry::net {

// "tcp", "udp", "sctp".
absl::string_view ProtocolName(Protocol protocol);
// "tcp port 80", "udp port 53 of 10.0.0.1".
std::string PortText(const PortMapping& mapping);

class PortTable {
 public:
  // All of them, or none: FAILED_PRECONDITION naming the port that is taken
  // and by whom. A mapping of every address collides with one of a single
  // address of that family.
  absl::Status Take(const std::string& pod_id,
                    const std::vector<PortMapping>& ports);
  // Those of the pod, which it has no longer then; unknown is fine.
  void Release(const std::string& pod_id);

 private:
  // Port, protocol, IPv6.
  using Key = std::tuple<uint16_t, Protocol, bool>;
  struct Holder {
    IpAddress host_ip;
    std::string pod_id;
  };
  std::multimap<Key, Holder> holders_;
};

// Whether a program of this network namespace listens on the port. A protocol
// that the kernel does not have is listened to by nobody.
bool IsListenedTo(const PortMapping& mapping);

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_BRIDGE_PORT_TABLE_H_
