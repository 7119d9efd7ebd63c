#include "runtime/net/bridge/links.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/net/bridge/host_settings.h"
#include "runtime/net/netlink/route.h"
#include "runtime/net/netlink/socket.h"
#include "runtime/sys/file.h"

namespace gantry::net {
namespace {

using netlink::Batch;
using netlink::Socket;

constexpr char kPrefix[] = "gan";
constexpr size_t kIdPart = 12;
constexpr uint32_t kDefaultMtu = 1500;

absl::StatusOr<Socket> HostSocket() { return Socket::Open(NETLINK_ROUTE); }

// Locally administered, unicast.
absl::StatusOr<netlink::MacAddress> RandomMac() {
  netlink::MacAddress mac;
  if (getrandom(mac.data(), mac.size(), 0) != mac.size()) {
    return ErrnoStatus(errno, "get random bytes");
  }
  mac[0] = static_cast<uint8_t>((mac[0] & 0xfe) | 0x02);
  return mac;
}

// Follows from the address: whoever has an old entry for the address in its
// neighbour table has the right one.
netlink::MacAddress MacOf(const IpAddress& ip) {
  netlink::MacAddress mac = {0x0a, 0x58};
  std::copy_n(ip.octets.begin() + ip.size() - 4, 4, mac.begin() + 2);
  return mac;
}

std::string AliasOf(const std::string& pod_id) {
  return absl::StrCat("gantry pod ", pod_id);
}

absl::StatusOr<std::vector<netlink::Route>> AllRoutes(Socket& socket) {
  std::vector<netlink::Route> all;
  for (bool v6 : {false, true}) {
    ASSIGN_OR_RETURN(std::vector<netlink::Route> routes,
                     netlink::ListRoutes(socket, v6));
    all.insert(all.end(), routes.begin(), routes.end());
  }
  return all;
}

absl::Status CheckNoClash(const BridgeSettings& settings, int bridge,
                          const std::vector<netlink::Route>& routes,
                          const std::vector<netlink::Link>& links) {
  for (const IpPrefix& subnet : settings.subnets) {
    for (const netlink::Route& route : routes) {
      if (route.destination.bits == 0 ||
          (bridge != 0 && route.link == bridge) ||
          !route.destination.Overlaps(subnet)) {
        continue;
      }
      const auto link = std::find_if(
          links.begin(), links.end(),
          [&](const netlink::Link& l) { return l.index == route.link; });
      return absl::FailedPreconditionError(absl::StrCat(
          "the pods' range ", subnet.ToString(),
          " overlaps with the host's route to ", route.destination.ToString(),
          link == links.end() ? "" : " by " + link->name,
          ": set another one (network.subnet4, network.subnet6)"));
    }
  }
  return absl::OkStatus();
}

uint32_t MtuOf(const BridgeSettings& settings,
               const std::vector<netlink::Route>& routes,
               const std::vector<netlink::Link>& links) {
  if (settings.mtu != 0) return settings.mtu;
  for (const netlink::Route& route : routes) {
    if (route.destination.bits != 0) continue;
    for (const netlink::Link& link : links) {
      if (link.index == route.link && link.mtu != 0) return link.mtu;
    }
  }
  return kDefaultMtu;
}

absl::StatusOr<int> MakeBridge(Socket& socket, const std::string& name,
                               uint32_t mtu) {
  ASSIGN_OR_RETURN(netlink::MacAddress mac, RandomMac());
  Batch batch;
  netlink::AddBridge(batch, name, mac, mtu);
  absl::Status made = socket.Send(batch);
  if (ErrnoOf(made) == EOPNOTSUPP) {
    return absl::FailedPreconditionError(
        absl::StrCat("this kernel has no bridges: ", made.message()));
  }
  RETURN_IF_ERROR(made);
  ASSIGN_OR_RETURN(netlink::Link link, netlink::GetLink(socket, name));
  return link.index;
}

// Addresses of the bridge that are none of `own`: those that are a pod's
// gateway stay.
absl::Status DropOldAddresses(Socket& socket, int bridge,
                              const std::vector<IpPrefix>& own,
                              const std::vector<IpAddress>& in_use,
                              std::vector<IpPrefix>& more_subnets) {
  Batch batch;
  for (bool v6 : {false, true}) {
    ASSIGN_OR_RETURN(std::vector<netlink::LinkAddress> addresses,
                     netlink::ListAddresses(socket, bridge, v6));
    for (const netlink::LinkAddress& old : addresses) {
      if (old.scope != RT_SCOPE_UNIVERSE ||
          std::find(own.begin(), own.end(), old.address) != own.end()) {
        continue;
      }
      if (std::any_of(in_use.begin(), in_use.end(), [&](const IpAddress& ip) {
            return old.address.Contains(ip);
          })) {
        more_subnets.push_back(old.address);
      } else {
        netlink::DeleteAddress(batch, bridge, old.address);
      }
    }
  }
  return socket.Send(batch);
}

absl::Status AddPodAddresses(Socket& socket, const PodLink& pod) {
  ASSIGN_OR_RETURN(netlink::Link link, netlink::GetLink(socket, kPodInterface));
  Batch batch;
  netlink::SetLinkUp(batch, link.index, link.mtu);
  for (const IpPrefix& address : pod.addresses) {
    netlink::AddAddress(batch, link.index, address);
  }
  for (const IpAddress& gateway : pod.gateways) {
    netlink::AddDefaultRoute(batch, link.index, gateway);
  }
  return socket.Send(batch);
}

// A link is of use once the kernel has dealt with the news of its carrier,
// which it may put off for a second (net/core/link_watch.c). That somebody asks
// for the link is a reason to do so at once (rtnl_getlink, since Linux 6.4).
absl::Status SettleCarrier(Socket& inside, Socket& host,
                           const std::string& port, const std::string& bridge) {
  RETURN_IF_ERROR(netlink::GetLink(inside, kPodInterface));
  RETURN_IF_ERROR(netlink::GetLink(host, port));
  return netlink::GetLink(host, bridge).status();
}

}  // namespace

std::string HostInterfaceOf(absl::string_view pod_id) {
  return absl::StrCat(kPrefix, pod_id.substr(0, kIdPart));
}

absl::StatusOr<Bridge> SetUpBridge(const BridgeSettings& settings,
                                   const std::vector<IpAddress>& in_use,
                                   std::vector<IpPrefix>& more_subnets) {
  const std::string& name = settings.bridge;
  ASSIGN_OR_RETURN(UniqueFd sysfd,
                   sys::OpenAt(AT_FDCWD, "/proc/sys", O_RDONLY | O_DIRECTORY));
  bool v4 = false;
  bool v6 = false;
  for (const IpPrefix& subnet : settings.subnets) {
    (subnet.address.v6 ? v6 : v4) = true;
  }
  if (v6 && !HasIpv6(sysfd.get())) {
    return absl::FailedPreconditionError(
        "this kernel has no IPv6: set network.subnet6 to \"\"");
  }
  ASSIGN_OR_RETURN(Socket socket, HostSocket());
  ASSIGN_OR_RETURN(std::vector<netlink::Link> links,
                   netlink::ListLinks(socket));
  ASSIGN_OR_RETURN(std::vector<netlink::Route> routes, AllRoutes(socket));
  Bridge bridge{name, 0, MtuOf(settings, routes, links)};
  for (const netlink::Link& link : links) {
    if (link.name != name) continue;
    if (link.kind != "bridge") {
      return absl::FailedPreconditionError(absl::StrCat(
          "there is a link ", name, " that is no bridge: set network.bridge"));
    }
    bridge.index = link.index;
  }
  // 1. Nothing is made where something else is.
  RETURN_IF_ERROR(CheckNoClash(settings, bridge.index, routes, links));
  // 2. The bridge, and what its interface needs before it has addresses.
  if (bridge.index == 0) {
    ASSIGN_OR_RETURN(bridge.index, MakeBridge(socket, name, bridge.mtu));
  }
  RETURN_IF_ERROR(SetHostSettings(sysfd.get(), name, v4, v6));
  // 3. Its addresses: the pods' gateways.
  std::vector<IpPrefix> own;
  Batch batch;
  netlink::SetLinkUp(batch, bridge.index, bridge.mtu);
  for (const IpPrefix& subnet : settings.subnets) {
    own.push_back({subnet.At(1), subnet.bits});
    netlink::AddAddress(batch, bridge.index, own.back());
  }
  RETURN_IF_ERROR(socket.Send(batch)) << "set up bridge " << name;
  RETURN_IF_ERROR(
      DropOldAddresses(socket, bridge.index, own, in_use, more_subnets));
  return bridge;
}

absl::StatusOr<int> FindBridge(const std::string& name) {
  ASSIGN_OR_RETURN(Socket socket, HostSocket());
  ASSIGN_OR_RETURN(netlink::Link link, netlink::GetLink(socket, name));
  return link.index;
}

absl::Status AttachPod(const Bridge& bridge, const PodLink& pod) {
  ASSIGN_OR_RETURN(Socket host, HostSocket());
  ASSIGN_OR_RETURN(Socket inside, Socket::OpenIn(pod.netns_fd, NETLINK_ROUTE));
  netlink::VethPair pair;
  pair.name = HostInterfaceOf(pod.pod_id);
  pair.master = bridge.index;
  pair.peer_name = kPodInterface;
  pair.peer_netns = pod.netns_fd;
  pair.peer_mac = MacOf(pod.addresses.front().address);
  pair.mtu = bridge.mtu;
  Batch batch;
  netlink::AddVethPair(batch, pair);
  netlink::SetPort(batch, pair.name, /*hairpin=*/true, AliasOf(pod.pod_id));
  ASSIGN_OR_RETURN(std::vector<absl::Status> results, host.TrySend(batch));
  // One that was there is not this pod's to remove.
  RETURN_IF_ERROR(results[0]);
  absl::Status status = results[1];
  if (status.ok()) status = AddPodAddresses(inside, pod);
  if (status.ok()) {
    status = SettleCarrier(inside, host, pair.name, bridge.name);
  }
  if (status.ok()) return status;
  Batch undo;
  netlink::DeleteLink(undo, pair.name);
  absl::Status undone = host.Send(undo);
  return undone.ok()
             ? status
             : Annotate(status,
                        absl::StrCat("(not undone: ", undone.message(), ")"));
}

absl::Status CutOffPod(const std::string& pod_id) {
  const std::string name = HostInterfaceOf(pod_id);
  ASSIGN_OR_RETURN(Socket socket, HostSocket());
  absl::StatusOr<netlink::Link> link = netlink::GetLink(socket, name);
  if (absl::IsNotFound(link.status())) return absl::OkStatus();
  RETURN_IF_ERROR(link);
  Batch batch;
  if (link->operational && link->master != 0) {
    // Nothing passes a listening port, and without a spanning tree nothing
    // moves it on; a disabled one is enabled by the next word of its carrier, a
    // blocking one by the next change of another port (net/bridge: br_if.c,
    // br_stp.c).
    netlink::SetPortState(batch, name, netlink::PortState::kListening);
  } else {
    // Not yet a port that may be set so. No port: somebody took the bridge
    // away.
    netlink::SetLinkDown(batch, link->index);
  }
  absl::Status status = socket.Send(batch);
  // Gone, or down: nothing passes.
  const int error = ErrnoOf(status);
  return error == ENODEV || error == ENETDOWN ? absl::OkStatus() : status;
}

absl::Status AdoptPods(const Bridge& bridge,
                       const std::set<std::string>& pod_ids) {
  ASSIGN_OR_RETURN(Socket socket, HostSocket());
  ASSIGN_OR_RETURN(std::vector<netlink::Link> links,
                   netlink::ListLinks(socket));
  std::set<std::string> strays;
  for (const netlink::Link& link : links) {
    if (link.kind == "veth" && link.master != bridge.index) {
      strays.insert(link.name);
    }
  }
  Batch batch;
  for (const std::string& id : pod_ids) {
    const std::string name = HostInterfaceOf(id);
    if (!strays.contains(name)) continue;
    netlink::SetMaster(batch, name, bridge.index);
    netlink::SetPort(batch, name, /*hairpin=*/true, AliasOf(id));
  }
  ASSIGN_OR_RETURN(std::vector<absl::Status> results, socket.TrySend(batch));
  absl::Status first;
  for (const absl::Status& result : results) {
    // It may have gone meanwhile.
    if (ErrnoOf(result) != ENODEV) first.Update(result);
  }
  return first;
}

absl::Status SweepPods(int bridge, const std::set<std::string>& pod_ids) {
  std::set<std::string> known;
  for (const std::string& id : pod_ids) known.insert(HostInterfaceOf(id));
  ASSIGN_OR_RETURN(Socket socket, HostSocket());
  ASSIGN_OR_RETURN(std::vector<netlink::Link> links,
                   netlink::ListLinks(socket));
  absl::Status first;
  for (const netlink::Link& link : links) {
    if (link.master != bridge || link.kind != "veth" ||
        !absl::StartsWith(link.name, kPrefix) || known.contains(link.name)) {
      continue;
    }
    Batch batch;
    netlink::DeleteLink(batch, link.name);
    absl::Status status = socket.Send(batch);
    if (ErrnoOf(status) != ENODEV) first.Update(status);
  }
  return first;
}

absl::Status RemoveBridge(const std::string& name) {
  ASSIGN_OR_RETURN(Socket socket, HostSocket());
  ASSIGN_OR_RETURN(std::vector<netlink::Link> links,
                   netlink::ListLinks(socket));
  const auto bridge = std::find_if(
      links.begin(), links.end(), [&name](const netlink::Link& link) {
        return link.name == name && link.kind == "bridge";
      });
  if (bridge == links.end()) return absl::OkStatus();
  for (const netlink::Link& link : links) {
    if (link.master == bridge->index) return absl::OkStatus();
  }
  Batch batch;
  netlink::DeleteLink(batch, name);
  absl::Status status = socket.Send(batch);
  return ErrnoOf(status) == ENODEV ? absl::OkStatus() : status;
}

}  // namespace gantry::net
