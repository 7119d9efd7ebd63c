#include "runtime/net/bridge/ruleset.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace gantry::net::nft {
namespace {

constexpr char kPorts[] = "ports";

// Where an address stands in its header (RFC 791, RFC 8200).
uint32_t SourceOffset(bool v6) { return v6 ? 8 : 12; }
uint32_t DestinationOffset(bool v6) { return v6 ? 24 : 16; }
uint32_t AddressLength(bool v6) { return v6 ? 16 : 4; }
constexpr uint32_t kDestinationPortOffset = 2;  // of TCP, UDP and SCTP

std::string Word(uint32_t host_order) {
  return std::string(reinterpret_cast<const char*>(&host_order),
                     sizeof host_order);
}

using Expressions = std::vector<Expression>;

void Append(Expressions& to, const Expressions& more) {
  to.insert(to.end(), more.begin(), more.end());
}

Expressions OfFamily(bool v6) {
  const char family = static_cast<char>(v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
  return {Meta{NFT_META_NFPROTO, 0}, Compare{true, std::string(1, family)}};
}

// Whether the address at `offset` is in `range`; the family is known.
Expressions AddressIs(uint32_t offset, const IpPrefix& range, bool in) {
  Expressions test = {Payload{NFT_PAYLOAD_NETWORK_HEADER, offset,
                              AddressLength(range.address.v6), 0}};
  const int all = range.address.size() * 8;
  if (range.bits < all) {
    test.push_back(Bits{std::string(range.Mask().bytes())});
  }
  test.push_back(Compare{in, std::string(range.At(0).bytes())});
  return test;
}

Expressions Interface(uint32_t key, const std::string& name) {
  // All 16 bytes: the whole name, not a beginning of one.
  std::string padded = name;
  padded.resize(16, '\0');
  return {Meta{key, 0}, Compare{true, padded}};
}

// What was sent to a host port.
Expressions WasMapped() {
  return {ConntrackStatus{}, Bits{Word(IPS_DST_NAT)}, Compare{false, Word(0)}};
}

IpPrefix Loopback4() { return *ParsePrefix("127.0.0.0/8"); }
IpPrefix Loopback6() { return *ParsePrefix("::1/128"); }
IpPrefix MulticastOf(bool v6) {
  return *ParsePrefix(v6 ? "ff00::/8" : "224.0.0.0/4");
}

class Builder {
 public:
  explicit Builder(Ruleset& set) : set_(set) {}

  void Add(std::string chain, std::vector<Expressions> parts) {
    Rule rule;
    rule.chain = std::move(chain);
    for (const Expressions& part : parts) Append(rule.expressions, part);
    set_.rules.push_back(std::move(rule));
  }

 private:
  Ruleset& set_;
};

std::string MapName(bool v6, bool with_address) {
  return absl::StrCat(kPorts, v6 ? 6 : 4, with_address ? "_at" : "");
}

void AddPorts(Builder& rules) {
  for (bool v6 : {false, true}) {
    // A single address before every address.
    Expressions by_address = {
        Meta{NFT_META_L4PROTO, 0},
        Payload{NFT_PAYLOAD_NETWORK_HEADER, DestinationOffset(v6),
                AddressLength(v6), 1},
        Payload{NFT_PAYLOAD_TRANSPORT_HEADER, kDestinationPortOffset, 2,
                1 + AddressLength(v6) / 4},
        Lookup{MapName(v6, true)}, Dnat{v6}};
    Expressions by_port = {
        Meta{NFT_META_L4PROTO, 0},
        Payload{NFT_PAYLOAD_TRANSPORT_HEADER, kDestinationPortOffset, 2, 1},
        Lookup{MapName(v6, false)}, Dnat{v6}};
    rules.Add(kPorts, {OfFamily(v6), by_address});
    rules.Add(kPorts, {OfFamily(v6), by_port});
  }
}

void AddDestinationNat(Builder& rules) {
  const Expressions leave = {Verdict{Verdict::kReturn, ""}};
  const Expressions local_to_ports = {DestinationType{},
                                      Compare{true, Word(RTN_LOCAL)},
                                      Verdict{Verdict::kJump, kPorts}};
  // Nothing that comes from outside is for loopback, whatever it says.
  rules.Add("prerouting",
            {OfFamily(false),
             AddressIs(DestinationOffset(false), Loopback4(), true), leave});
  rules.Add("prerouting", {local_to_ports});
  // Packets from ::1 do not leave the host: refused, not lost.
  rules.Add("output",
            {OfFamily(true),
             AddressIs(DestinationOffset(true), Loopback6(), true), leave});
  rules.Add("output", {local_to_ports});
}

void AddMasquerade(Builder& rules, const std::string& bridge,
                   const std::vector<IpPrefix>& subnets) {
  const std::string chain = "postrouting";
  const Expressions masquerade = {Masquerade{}};
  rules.Add(chain,
            {OfFamily(false), AddressIs(SourceOffset(false), Loopback4(), true),
             Interface(NFT_META_OIFNAME, bridge), masquerade});
  for (const IpPrefix& subnet : subnets) {
    const bool v6 = subnet.address.v6;
    const Expressions from_pod = AddressIs(SourceOffset(v6), subnet, true);
    const uint32_t destination = DestinationOffset(v6);
    rules.Add(chain,
              {OfFamily(v6), from_pod, AddressIs(destination, subnet, true),
               WasMapped(), masquerade});
    rules.Add(chain,
              {OfFamily(v6), from_pod, AddressIs(destination, subnet, false),
               AddressIs(destination, MulticastOf(v6), false), masquerade});
  }
}

char ProtocolNumber(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
      return IPPROTO_TCP;
    case Protocol::kUdp:
      return IPPROTO_UDP;
    default:
      return static_cast<char>(IPPROTO_SCTP);
  }
}

// A part of a key or value fills whole words.
void AddPart(std::string& to, absl::string_view part) {
  absl::StrAppend(&to, part);
  to.resize((to.size() + 3) / 4 * 4);
}

void AddPort(std::string& to, uint16_t port) {
  const uint16_t big_endian = htons(port);
  AddPart(to, {reinterpret_cast<const char*>(&big_endian), sizeof big_endian});
}

}  // namespace

Ruleset BuildRuleset(const std::string& table, const std::string& bridge,
                     const std::vector<IpPrefix>& subnets) {
  Ruleset set;
  set.table = table;
  for (bool v6 : {false, true}) {
    for (bool with_address : {false, true}) {
      set.maps.push_back({MapName(v6, with_address), v6, with_address});
    }
  }
  set.chains = {
      {"guard", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW},
      {kPorts, "", 0, 0},
      {"prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST},
      {"output", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST},
      {"postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC}};
  Builder rules(set);
  rules.Add("guard", {Interface(NFT_META_IIFNAME, bridge),
                      OfFamily(false),
                      AddressIs(DestinationOffset(false), Loopback4(), true),
                      {Verdict{Verdict::kDrop, ""}}});
  AddPorts(rules);
  AddDestinationNat(rules);
  AddMasquerade(rules, bridge, subnets);
  return set;
}

std::vector<Element> ElementsOf(const AttachedPod& pod) {
  std::vector<Element> elements;
  for (const PortMapping& mapping : pod.ports) {
    const bool v6 = mapping.host_ip.v6;
    const auto ip = std::find_if(
        pod.ips.begin(), pod.ips.end(),
        [v6](const IpAddress& address) { return address.v6 == v6; });
    if (ip == pod.ips.end()) continue;
    const bool with_address = !mapping.host_ip.IsAny();
    Element element;
    element.map = MapName(v6, with_address);
    AddPart(element.key, std::string(1, ProtocolNumber(mapping.protocol)));
    if (with_address) AddPart(element.key, mapping.host_ip.bytes());
    AddPort(element.key, mapping.host_port);
    AddPart(element.value, ip->bytes());
    AddPort(element.value, mapping.pod_port);
    elements.push_back(std::move(element));
  }
  return elements;
}

}  // namespace gantry::net::nft
