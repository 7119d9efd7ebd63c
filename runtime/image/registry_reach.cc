#include "runtime/image/registry_reach.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"

namespace gantry::image {
namespace {

// Of connections (Request::connection_group): 0 is for registries themselves.
constexpr int kInternalGroup = 1;
constexpr int kFirstZoneGroup = 2;

struct Range4 {
  uint32_t address;
  int bits;
  Zone zone;
};

// RFC 6890, RFC 1918, RFC 6598; and the addresses at which clouds tell a
// machine its own credentials outside of 169.254.0.0/16.
constexpr Range4 kRanges4[] = {
    {0xa83f8110, 32, Zone::kForbidden},  // 168.63.129.16
    {0x646464c8, 32, Zone::kForbidden},  // 100.100.100.200
    {0xa9fe0000, 16, Zone::kForbidden},  // 169.254.0.0, link-local
    {0xc0000000, 24, Zone::kForbidden},  // 192.0.0.0, protocol assignments
    {0xe0000000, 3, Zone::kForbidden},   // multicast, reserved, broadcast
    {0x7f000000, 8, Zone::kLoopback},
    {0x00000000, 8, Zone::kLoopback},  // 0.0.0.0 reaches this machine
    {0x0a000000, 8, Zone::kPrivate},
    {0xac100000, 12, Zone::kPrivate},
    {0xc0a80000, 16, Zone::kPrivate},
    {0x64400000, 10, Zone::kPrivate},  // 100.64.0.0, carrier's
    {0xc6120000, 15, Zone::kPrivate},  // 198.18.0.0, benchmarks
};

Zone ZoneOf4(uint32_t address) {
  for (const Range4& range : kRanges4) {
    if ((address ^ range.address) >> (32 - range.bits) == 0) return range.zone;
  }
  return Zone::kPublic;
}

uint32_t Word(const in6_addr& address, int at) {
  uint32_t word = 0;
  std::memcpy(&word, address.s6_addr + at, sizeof(word));
  return ntohl(word);
}

Zone ZoneOf6(const in6_addr& address) {
  const uint32_t first = Word(address, 0);
  const uint32_t second = Word(address, 4);
  const uint32_t third = Word(address, 8);
  const uint32_t last = Word(address, 12);
  if (first == 0 && second == 0) {
    if (third == 0 && last <= 1) return Zone::kLoopback;  // ::, ::1
    // IPv4 in IPv6: mapped, translated or (of old) compatible.
    return ZoneOf4(last);
  }
  if (first == 0x0064ff9b && second == 0 && third == 0) return ZoneOf4(last);
  if (first == 0x0064ff9b) return Zone::kPrivate;  // 64:ff9b:1::/48
  if (first >> 16 == 0x2002) {                     // 6to4
    return ZoneOf4(first << 16 | second >> 16);
  }
  // The metadata service of a cloud, fd00:ec2::254.
  if (first == 0xfd000ec2 && second == 0 && third == 0 && last == 0x254) {
    return Zone::kForbidden;
  }
  if (first >> 25 == 0xfc >> 1) return Zone::kPrivate;  // fc00::/7
  if (first >> 22 == 0xfe80 >> 6 || first >> 24 == 0xff) {
    return Zone::kForbidden;  // link-local, multicast
  }
  if (first >> 22 == 0xfec0 >> 6) return Zone::kPrivate;  // site-local
  return Zone::kPublic;
}

std::string Bare(absl::string_view address) {
  absl::ConsumePrefix(&address, "[");
  absl::ConsumeSuffix(&address, "]");
  return std::string(address.substr(0, address.find('%')));
}

std::optional<Zone> ZoneOfLiteral(absl::string_view host) {
  const std::string bare = Bare(host);
  in_addr four;
  if (inet_pton(AF_INET, bare.c_str(), &four) == 1) {
    return ZoneOf4(ntohl(four.s_addr));
  }
  in6_addr six;
  if (inet_pton(AF_INET6, bare.c_str(), &six) == 1) return ZoneOf6(six);
  if (host == "localhost" || absl::EndsWith(host, ".localhost")) {
    return Zone::kLoopback;
  }
  return std::nullopt;
}

absl::Status CheckZone(Zone from, Zone to, absl::string_view what) {
  if (to != Zone::kForbidden && to <= from) return absl::OkStatus();
  static constexpr absl::string_view kNames[] = {
      "a public", "a private", "a loopback", "a link-local or reserved"};
  return absl::PermissionDeniedError(
      absl::StrCat(what, " is ", kNames[static_cast<int>(to)], " address, and ",
                   kNames[static_cast<int>(from)],
                   " one may not lead there (registry.internal_hosts)"));
}

}  // namespace

Zone ZoneOf(absl::string_view address) {
  return ZoneOfLiteral(address).value_or(Zone::kForbidden);
}

absl::Status CheckRegistryAddress(absl::string_view address) {
  if (ZoneOf(address) != Zone::kForbidden) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(
      address,
      " is a link-local or reserved address, and no settings of the "
      "registry say that it is meant"));
}

absl::Status KeepWithinReach(const http::Response& from, const http::Url& to,
                             const std::vector<std::string>& internal_hosts,
                             http::Request* next) {
  if (to.host == from.url().host) return absl::OkStatus();
  if (http::IsNamedHost(to.host, internal_hosts)) {
    next->check_address = nullptr;
    next->connection_group = kInternalGroup;
    return absl::OkStatus();
  }
  const std::string peer = from.peer_address();
  // Without an address (a proxy has made the connection) names count as public.
  const Zone zone = peer.empty()
                        ? ZoneOfLiteral(from.url().host).value_or(Zone::kPublic)
                        : ZoneOf(peer);
  if (std::optional<Zone> literal = ZoneOfLiteral(to.host)) {
    RETURN_IF_ERROR(CheckZone(zone, *literal, to.host));
  }
  next->check_address = [zone, host = to.host](absl::string_view address) {
    return CheckZone(
        zone, ZoneOf(address),
        host == address ? host : absl::StrCat(host, " (", address, ")"));
  };
  next->connection_group = kFirstZoneGroup + static_cast<int>(zone);
  return absl::OkStatus();
}

}  // namespace gantry::image
