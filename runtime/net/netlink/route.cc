#include "runtime/net/netlink/route.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::netlink {
namespace {

constexpr uint16_t kCreate = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;

uint8_t FamilyOf(bool v6) { return v6 ? AF_INET6 : AF_INET; }

absl::string_view MacBytes(const MacAddress& mac) {
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

ifinfomsg UpFlags() {
  ifinfomsg info{};
  info.ifi_family = AF_UNSPEC;
  info.ifi_flags = IFF_UP;
  info.ifi_change = IFF_UP;
  return info;
}

std::optional<IpAddress> AddressOf(bool v6,
                                   std::optional<absl::string_view> bytes) {
  IpAddress address{v6, {}};
  if (!bytes.has_value() || bytes->size() != address.size()) {
    return std::nullopt;
  }
  std::copy(bytes->begin(), bytes->end(), address.octets.begin());
  return address;
}

std::optional<Link> LinkOf(const Message& message) {
  std::optional<ifinfomsg> info = message.Header<ifinfomsg>();
  if (message.type != RTM_NEWLINK || !info.has_value()) return std::nullopt;
  const Attributes attributes = message.After<ifinfomsg>();
  Link link;
  link.index = info->ifi_index;
  const absl::string_view state = attributes.Find(IFLA_OPERSTATE).value_or("");
  link.operational = !state.empty() && state[0] == IF_OPER_UP;
  link.name = attributes.FindText(IFLA_IFNAME);
  link.master = static_cast<int>(attributes.FindU32(IFLA_MASTER).value_or(0));
  link.mtu = attributes.FindU32(IFLA_MTU).value_or(0);
  if (auto kind = attributes.FindNest(IFLA_LINKINFO)) {
    link.kind = kind->FindText(IFLA_INFO_KIND);
  }
  return link;
}

// Begins a change of the link `name`, which exists.
void BeginChange(Batch& batch, absl::string_view name, absl::string_view verb) {
  batch.Begin(RTM_NEWLINK, NLM_F_ACK, absl::StrCat(verb, " ", name));
  batch.Header(ifinfomsg{});
  batch.PutText(IFLA_IFNAME, name);
}

void BeginAddress(Batch& batch, uint16_t type, uint16_t flags, int link,
                  const IpPrefix& address, absl::string_view verb) {
  batch.Begin(type, flags, absl::StrCat(verb, " address ", address.ToString()));
  ifaddrmsg header{};
  header.ifa_family = FamilyOf(address.address.v6);
  header.ifa_prefixlen = static_cast<uint8_t>(address.bits);
  header.ifa_index = static_cast<uint32_t>(link);
  batch.Header(header);
  batch.Put(IFA_LOCAL, address.address.bytes());
  batch.Put(IFA_ADDRESS, address.address.bytes());
}

std::optional<Route> RouteOf(const Message& message, bool v6) {
  std::optional<rtmsg> header = message.Header<rtmsg>();
  if (message.type != RTM_NEWROUTE || !header.has_value() ||
      header->rtm_type != RTN_UNICAST || header->rtm_family != FamilyOf(v6)) {
    return std::nullopt;
  }
  const Attributes attributes = message.After<rtmsg>();
  if (attributes.FindU32(RTA_TABLE).value_or(header->rtm_table) !=
      RT_TABLE_MAIN) {
    return std::nullopt;
  }
  Route route;
  route.destination.address =
      AddressOf(v6, attributes.Find(RTA_DST)).value_or(IpAddress{v6, {}});
  route.destination.bits = header->rtm_dst_len;
  route.link = static_cast<int>(attributes.FindU32(RTA_OIF).value_or(0));
  return route;
}

}  // namespace

absl::StatusOr<Link> GetLink(Socket& socket, absl::string_view name) {
  Batch request;
  request.Begin(RTM_GETLINK, 0, absl::StrCat("look for link ", name));
  request.Header(ifinfomsg{});
  request.PutText(IFLA_IFNAME, name);
  std::optional<Link> found;
  absl::Status status = socket.Query(
      request, [&found](const Message& message) { found = LinkOf(message); });
  if (ErrnoOf(status) == ENODEV) {
    return absl::NotFoundError(absl::StrCat("there is no link ", name));
  }
  RETURN_IF_ERROR(status);
  if (!found.has_value()) {
    return absl::InternalError(
        absl::StrCat("look for link ", name, ": no answer"));
  }
  return *found;
}

absl::StatusOr<std::vector<Link>> ListLinks(Socket& socket) {
  Batch request;
  request.Begin(RTM_GETLINK, NLM_F_DUMP, "list links");
  request.Header(ifinfomsg{});
  std::vector<Link> links;
  RETURN_IF_ERROR(socket.Query(request, [&links](const Message& message) {
    if (std::optional<Link> link = LinkOf(message)) links.push_back(*link);
  }));
  return links;
}

void AddBridge(Batch& batch, absl::string_view name, const MacAddress& mac,
               uint32_t mtu) {
  batch.Begin(RTM_NEWLINK, kCreate, absl::StrCat("make bridge ", name));
  batch.Header(UpFlags());
  batch.PutText(IFLA_IFNAME, name);
  // Else it would be that of a port, and change with the ports.
  batch.Put(IFLA_ADDRESS, MacBytes(mac));
  batch.PutU32(IFLA_MTU, mtu);
  Batch::Nest info(batch, IFLA_LINKINFO);
  batch.PutText(IFLA_INFO_KIND, "bridge");
}

void AddVethPair(Batch& batch, const VethPair& pair) {
  batch.Begin(RTM_NEWLINK, kCreate, absl::StrCat("make veth ", pair.name));
  batch.Header(UpFlags());
  batch.PutText(IFLA_IFNAME, pair.name);
  batch.PutU32(IFLA_MTU, pair.mtu);
  batch.PutU32(IFLA_MASTER, static_cast<uint32_t>(pair.master));
  Batch::Nest info(batch, IFLA_LINKINFO);
  batch.PutText(IFLA_INFO_KIND, "veth");
  Batch::Nest data(batch, IFLA_INFO_DATA);
  Batch::Nest peer(batch, VETH_INFO_PEER);
  // Down: the kernel configures the peer before it ties the two together, and
  // one end alone cannot be brought up (ENOTCONN).
  batch.Header(ifinfomsg{});
  batch.PutText(IFLA_IFNAME, pair.peer_name);
  batch.PutU32(IFLA_MTU, pair.mtu);
  batch.Put(IFLA_ADDRESS, MacBytes(pair.peer_mac));
  batch.PutU32(IFLA_NET_NS_FD, static_cast<uint32_t>(pair.peer_netns));
}

void SetMaster(Batch& batch, absl::string_view name, int master) {
  BeginChange(batch, name, "make a bridge port of");
  batch.PutU32(IFLA_MASTER, static_cast<uint32_t>(master));
}

void SetPort(Batch& batch, absl::string_view name, bool hairpin,
             absl::string_view alias) {
  BeginChange(batch, name, "set up bridge port");
  batch.Put(IFLA_IFALIAS, alias);
  Batch::Nest info(batch, IFLA_LINKINFO);
  batch.PutText(IFLA_INFO_SLAVE_KIND, "bridge");
  Batch::Nest data(batch, IFLA_INFO_SLAVE_DATA);
  batch.PutU8(IFLA_BRPORT_MODE, hairpin ? 1 : 0);
}

void SetPortState(Batch& batch, absl::string_view name, PortState state) {
  BeginChange(batch, name, "set the state of bridge port");
  Batch::Nest info(batch, IFLA_LINKINFO);
  batch.PutText(IFLA_INFO_SLAVE_KIND, "bridge");
  Batch::Nest data(batch, IFLA_INFO_SLAVE_DATA);
  batch.PutU8(IFLA_BRPORT_STATE, static_cast<uint8_t>(state));
}

void SetLinkUp(Batch& batch, int index, uint32_t mtu) {
  batch.Begin(RTM_NEWLINK, NLM_F_ACK,
              absl::StrCat("bring link ", index, " up"));
  ifinfomsg info = UpFlags();
  info.ifi_index = index;
  batch.Header(info);
  batch.PutU32(IFLA_MTU, mtu);
}

void SetLinkDown(Batch& batch, int index) {
  batch.Begin(RTM_NEWLINK, NLM_F_ACK,
              absl::StrCat("take link ", index, " down"));
  ifinfomsg info{};
  info.ifi_family = AF_UNSPEC;
  info.ifi_change = IFF_UP;
  info.ifi_index = index;
  batch.Header(info);
}

void DeleteLink(Batch& batch, absl::string_view name) {
  batch.Begin(RTM_DELLINK, NLM_F_ACK, absl::StrCat("remove link ", name));
  batch.Header(ifinfomsg{});
  batch.PutText(IFLA_IFNAME, name);
}

void AddAddress(Batch& batch, int link, const IpPrefix& address) {
  BeginAddress(batch, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
               link, address, "add");
  if (address.address.v6) {
    batch.PutU32(IFA_FLAGS, IFA_F_NODAD);
  } else {
    IpAddress broadcast = address.address;
    const IpAddress mask = address.Mask();
    for (int i = 0; i < broadcast.size(); ++i) {
      broadcast.octets[i] |= static_cast<uint8_t>(~mask.octets[i]);
    }
    batch.Put(IFA_BROADCAST, broadcast.bytes());
  }
}

void DeleteAddress(Batch& batch, int link, const IpPrefix& address) {
  BeginAddress(batch, RTM_DELADDR, NLM_F_ACK, link, address, "remove");
}

absl::StatusOr<std::vector<LinkAddress>> ListAddresses(Socket& socket, int link,
                                                       bool v6) {
  Batch request;
  request.Begin(RTM_GETADDR, NLM_F_DUMP, "list addresses");
  ifaddrmsg header{};
  header.ifa_family = FamilyOf(v6);
  request.Header(header);
  std::vector<LinkAddress> addresses;
  RETURN_IF_ERROR(socket.Query(request, [&](const Message& message) {
    std::optional<ifaddrmsg> found = message.Header<ifaddrmsg>();
    if (message.type != RTM_NEWADDR || !found.has_value() ||
        found->ifa_index != static_cast<uint32_t>(link) ||
        found->ifa_family != FamilyOf(v6)) {
      return;
    }
    const Attributes attributes = message.After<ifaddrmsg>();
    std::optional<absl::string_view> bytes = attributes.Find(IFA_LOCAL);
    if (!bytes.has_value()) bytes = attributes.Find(IFA_ADDRESS);
    std::optional<IpAddress> address = AddressOf(v6, bytes);
    if (!address.has_value()) return;
    addresses.push_back({{*address, found->ifa_prefixlen}, found->ifa_scope});
  }));
  return addresses;
}

void AddDefaultRoute(Batch& batch, int link, const IpAddress& gateway) {
  batch.Begin(RTM_NEWROUTE, kCreate,
              absl::StrCat("add default route by ", gateway.ToString()));
  rtmsg header{};
  header.rtm_family = FamilyOf(gateway.v6);
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_BOOT;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  batch.Header(header);
  batch.Put(RTA_GATEWAY, gateway.bytes());
  batch.PutU32(RTA_OIF, static_cast<uint32_t>(link));
}

absl::StatusOr<std::vector<Route>> ListRoutes(Socket& socket, bool v6) {
  Batch request;
  request.Begin(RTM_GETROUTE, NLM_F_DUMP, "list routes");
  rtmsg header{};
  header.rtm_family = FamilyOf(v6);
  request.Header(header);
  std::vector<Route> routes;
  RETURN_IF_ERROR(socket.Query(request, [&](const Message& message) {
    if (std::optional<Route> route = RouteOf(message, v6)) {
      routes.push_back(*route);
    }
  }));
  return routes;
}

}  // namespace gantry::netlink
