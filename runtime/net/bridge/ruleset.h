// What nftables does for the pods, as data: one table of the inet family with
// masquerade and host ports. nftables.h tells it to the kernel.
//
// The rules are the same whatever pods there are: a host port is an element of
// a map, so that a pod's coming and going touches nothing but its own elements.
//
//   map ports4     protocol . port -> pod's address . port
//   map ports4_at  protocol . host address . port -> the same (6 alike)
//   chain guard       prerouting, raw: from the bridge to 127.0.0.0/8: drop
//                     (route_localnet would let pods reach the host's
//                     loopback, CVE-2020-8558)
//   chain prerouting  dstnat; chain output: dstnat, for the host itself:
//                     only what is for an address of the host (CVE-2019-9946,
//                     CVE-2025-67499) goes to
//   chain ports       dnat by the maps
//   chain postrouting srcnat: masquerade what leaves the pods' ranges, what a
//                     pod sends through a host port to a pod (its answer would
//                     not pass here otherwise), and what the host sends from
//                     loopback
//
// Pure functions and values.
// Sources: linux/netfilter/nf_tables.h; nft(8) for what expressions mean.

#ifndef GANTRY_RUNTIME_NET_BRIDGE_RULESET_H_
#define GANTRY_RUNTIME_NET_BRIDGE_RULESET_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "runtime/net/ip.h"
#include "runtime/net/pod_network.h"

namespace gantry::net::nft {

// Registers are numbered in words of four bytes: a key or a value of several
// parts stands in consecutive ones, each part in words of its own.
struct Meta {  // protocol, interface names, family
  uint32_t key = 0;
  uint32_t to = 0;
  bool operator==(const Meta&) const = default;
};
struct Payload {
  uint32_t base = 0;
  uint32_t offset = 0;
  uint32_t length = 0;
  uint32_t to = 0;
  bool operator==(const Payload&) const = default;
};
struct Bits {  // reg = reg & mask
  std::string mask;
  bool operator==(const Bits&) const = default;
};
struct Compare {
  bool equal = true;
  std::string value;
  bool operator==(const Compare&) const = default;
};
struct DestinationType {  // "fib daddr type"
  bool operator==(const DestinationType&) const = default;
};
struct ConntrackStatus {
  bool operator==(const ConntrackStatus&) const = default;
};
struct Lookup {  // of the registers from 0 on, into those from 0 on
  std::string map;
  bool operator==(const Lookup&) const = default;
};
struct Dnat {  // to address and port in the registers from 0 on
  bool v6 = false;
  bool operator==(const Dnat&) const = default;
};
struct Masquerade {
  bool operator==(const Masquerade&) const = default;
};
struct Verdict {
  enum Kind { kDrop, kReturn, kJump } kind = kDrop;
  std::string chain;  // of kJump
  bool operator==(const Verdict&) const = default;
};
using Expression =
    std::variant<Meta, Payload, Bits, Compare, DestinationType, ConntrackStatus,
                 Lookup, Dnat, Masquerade, Verdict>;

struct Rule {
  std::string chain;
  std::vector<Expression> expressions;
  bool operator==(const Rule&) const = default;
};

struct Chain {
  std::string name;
  // "nat", "filter"; empty: only jumped to.
  std::string type;
  uint32_t hook = 0;  // NF_INET_*
  int32_t priority = 0;
  bool operator==(const Chain&) const = default;
};

struct Map {
  std::string name;
  bool v6 = false;
  // The key has the host's address, too.
  bool with_address = false;
  bool operator==(const Map&) const = default;
};

struct Element {
  std::string map;
  std::string key;
  std::string value;
  bool operator==(const Element&) const = default;
};

struct Ruleset {
  std::string table;
  std::vector<Map> maps;
  std::vector<Chain> chains;
  std::vector<Rule> rules;
};

// `subnets`: all ranges that pods have addresses of.
Ruleset BuildRuleset(const std::string& table, const std::string& bridge,
                     const std::vector<IpPrefix>& subnets);

// The elements of one pod's ports. A mapping of a family in which the pod has
// no address has none.
std::vector<Element> ElementsOf(const AttachedPod& pod);

}  // namespace gantry::net::nft

#endif  // GANTRY_RUNTIME_NET_BRIDGE_RULESET_H_
