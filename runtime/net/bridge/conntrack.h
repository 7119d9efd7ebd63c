// What the kernel remembers of flows to host ports.
//
// A flow keeps the destination it was given at first. For TCP that is what a
// connection wants; a UDP client that goes on sending from one port would never
// reach the pod that a host port leads to now.
// Thread safety: any thread; a socket of its own. Blocks while the kernel lists
// its flows: a microsecond for each.
// Sources: linux/netfilter/nfnetlink_conntrack.h.

#ifndef GANTRY_RUNTIME_NET_BRIDGE_CONNTRACK_H_
#define GANTRY_RUNTIME_NET_BRIDGE_CONNTRACK_H_

#include <vector>

#include "absl/status/status.h"
#include "runtime/net/pod_network.h"

namespace gantry::net {

// Makes the kernel forget the flows to the UDP ports among `ports`, so that
// their next packet is looked at anew. Without a UDP port nothing is done.
absl::Status ForgetFlows(const std::vector<PortMapping>& ports);

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_BRIDGE_CONNTRACK_H_
