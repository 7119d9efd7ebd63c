#include "runtime/net/bridge/conntrack.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "runtime/base/status.h"
#include "runtime/net/netlink/message.h"
#include "runtime/net/netlink/socket.h"

namespace gantry::net {
namespace {

using netlink::Attributes;
using netlink::Batch;
using netlink::Message;

void Begin(Batch& batch, uint16_t message, uint16_t flags, bool v6,
           std::string what) {
  batch.Begin(NFNL_SUBSYS_CTNETLINK << 8 | message, flags, std::move(what));
  nfgenmsg header{};
  header.nfgen_family = v6 ? AF_INET6 : AF_INET;
  batch.Header(header);
}

struct Flow {
  uint8_t protocol = 0;
  uint16_t port = 0;
  absl::string_view destination;
};

// Where a flow's first packet was for.
std::optional<Flow> FlowOf(const Attributes& tuple, bool v6) {
  std::optional<Attributes> ip = tuple.FindNest(CTA_TUPLE_IP);
  std::optional<Attributes> proto = tuple.FindNest(CTA_TUPLE_PROTO);
  if (!ip.has_value() || !proto.has_value()) return std::nullopt;
  std::optional<absl::string_view> destination =
      ip->Find(v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST);
  std::optional<absl::string_view> number = proto->Find(CTA_PROTO_NUM);
  std::optional<absl::string_view> port = proto->Find(CTA_PROTO_DST_PORT);
  if (!destination.has_value() || !number.has_value() || number->empty() ||
      !port.has_value() || port->size() != sizeof(uint16_t)) {
    return std::nullopt;
  }
  Flow flow;
  flow.protocol = static_cast<uint8_t>((*number)[0]);
  memcpy(&flow.port, port->data(), sizeof flow.port);
  flow.port = ntohs(flow.port);
  flow.destination = *destination;
  return flow;
}

bool IsTo(const Flow& flow, const PortMapping& mapping) {
  return flow.protocol == IPPROTO_UDP && flow.port == mapping.host_port &&
         (mapping.host_ip.IsAny() ||
          flow.destination == mapping.host_ip.bytes());
}

}  // namespace

absl::Status ForgetFlows(const std::vector<PortMapping>& ports) {
  for (bool v6 : {false, true}) {
    std::vector<PortMapping> udp;
    std::copy_if(ports.begin(), ports.end(), std::back_inserter(udp),
                 [v6](const PortMapping& mapping) {
                   return mapping.protocol == Protocol::kUdp &&
                          mapping.host_ip.v6 == v6;
                 });
    if (udp.empty()) continue;
    ASSIGN_OR_RETURN(netlink::Socket socket,
                     netlink::Socket::Open(NETLINK_NETFILTER));
    Batch request;
    Begin(request, IPCTNL_MSG_CT_GET, NLM_F_DUMP, v6, "list flows");
    Batch removal;
    RETURN_IF_ERROR(socket.Query(request, [&](const Message& message) {
      const Attributes attributes = message.After<nfgenmsg>();
      std::optional<absl::string_view> tuple = attributes.Find(CTA_TUPLE_ORIG);
      if (!tuple.has_value()) return;
      std::optional<Flow> flow = FlowOf(Attributes(*tuple), v6);
      if (!flow.has_value() ||
          std::none_of(udp.begin(), udp.end(), [&](const PortMapping& mapping) {
            return IsTo(*flow, mapping);
          })) {
        return;
      }
      Begin(removal, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, v6, "forget a flow");
      removal.Put(CTA_TUPLE_ORIG | NLA_F_NESTED, *tuple);
      if (auto zone = attributes.Find(CTA_ZONE)) removal.Put(CTA_ZONE, *zone);
    }));
    ASSIGN_OR_RETURN(std::vector<absl::Status> results,
                     socket.TrySend(removal));
    for (const absl::Status& result : results) {
      // It may have ended meanwhile.
      if (!result.ok() && ErrnoOf(result) != ENOENT) return result;
    }
  }
  return absl::OkStatus();
}

}  // namespace gantry::net
