// The bridge and the pods' pairs of interfaces, in the order of their making.
//
// A pod's pair is made by one message: at no moment is there one that is not a
// port of the bridge. Its end here is named after the pod, so that what is
// left of a pod is known by its name alone.
// Thread safety: any thread; each call has sockets of its own. Blocks on the
// kernel for a few milliseconds.

#ifndef GANTRY_RUNTIME_NET_BRIDGE_LINKS_H_
#define GANTRY_RUNTIME_NET_BRIDGE_LINKS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/net/bridge/settings.h"
#include "runtime/net/ip.h"

namespace gantry::net {

// The pod's interface inside.
inline constexpr char kPodInterface[] = "eth0";
// Of the pod's interface on the host: "gan" and the first 12 characters of the
// pod's id.
std::string HostInterfaceOf(absl::string_view pod_id);

struct Bridge {
  std::string name;
  int index = 0;
  // What pods are to have. The kernel changes the bridge's own with its ports.
  uint32_t mtu = 0;
};

// Makes the bridge, or takes over one that is there; settings and addresses
// included. FAILED_PRECONDITION: a route of the host is in the way, the name
// is something else's, IPv6 is wanted but not there. `in_use` are addresses of
// pods: an address of the bridge that is none of `settings` goes unless it is
// their gateway; ranges of those that stay are added to `more_subnets`.
absl::StatusOr<Bridge> SetUpBridge(const BridgeSettings& settings,
                                   const std::vector<IpAddress>& in_use,
                                   std::vector<IpPrefix>& more_subnets);

// Its index; NOT_FOUND if it is gone.
absl::StatusOr<int> FindBridge(const std::string& name);

struct PodLink {
  std::string pod_id;
  int netns_fd = -1;  // borrowed
  // With the length of the range they are from.
  std::vector<IpPrefix> addresses;
  std::vector<IpAddress> gateways;
};
// The pod's pair, its addresses and default routes. On failure nothing is
// left.
absl::Status AttachPod(const Bridge& bridge, const PodLink& pod);

// Cuts the pod off: nothing passes its port any more. The pair itself goes with
// the pod's namespace: the kernel removes it there, many at a time, for a
// tenth of what removing it here would take. Not there is OK.
absl::Status CutOffPod(const std::string& pod_id);

// Makes ports of the interfaces of `pod_ids` that are none: the bridge they
// were of was taken away. One that has no interface is left alone.
absl::Status AdoptPods(const Bridge& bridge,
                       const std::set<std::string>& pod_ids);

// Removes the bridge's ports that are of no pod in `pod_ids`.
absl::Status SweepPods(int bridge, const std::set<std::string>& pod_ids);

// Removes the bridge if it has no port. Not there is OK.
absl::Status RemoveBridge(const std::string& name);

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_BRIDGE_LINKS_H_
