#include "runtime/net/ip.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::net {
namespace {

absl::Status NotA(absl::string_view what, absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", absl::CHexEscape(text), "\" is no ", what));
}

}  // namespace

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(v6 ? AF_INET6 : AF_INET, octets.data(), text, sizeof text);
  return text;
}

bool IpAddress::IsAny() const {
  return std::all_of(octets.begin(), octets.end(),
                     [](uint8_t octet) { return octet == 0; });
}

absl::StatusOr<IpAddress> ParseIp(absl::string_view text) {
  // inet_pton would not see what follows a zero byte.
  if (text.find('\0') != absl::string_view::npos) {
    return NotA("IP address", text);
  }
  IpAddress address;
  const std::string literal(text);
  if (inet_pton(AF_INET, literal.c_str(), address.octets.data()) == 1) {
    return address;
  }
  address.v6 = true;
  if (inet_pton(AF_INET6, literal.c_str(), address.octets.data()) == 1) {
    return address;
  }
  return NotA("IP address", text);
}

std::string IpPrefix::ToString() const {
  return absl::StrCat(address.ToString(), "/", bits);
}

IpAddress IpPrefix::Mask() const {
  IpAddress mask{address.v6, {}};
  for (int i = 0; i < mask.size(); ++i) {
    const int set = std::clamp(bits - 8 * i, 0, 8);
    mask.octets[i] = static_cast<uint8_t>(0xff00 >> set);
  }
  return mask;
}

bool IpPrefix::Contains(const IpAddress& other) const {
  if (other.v6 != address.v6) return false;
  const IpAddress mask = Mask();
  for (int i = 0; i < mask.size(); ++i) {
    if ((address.octets[i] & mask.octets[i]) !=
        (other.octets[i] & mask.octets[i])) {
      return false;
    }
  }
  return true;
}

bool IpPrefix::Overlaps(const IpPrefix& other) const {
  return bits <= other.bits ? Contains(other.address) : other.Contains(address);
}

IpAddress IpPrefix::At(uint32_t offset) const {
  IpAddress at = address;
  const IpAddress mask = Mask();
  uint64_t carry = offset;
  for (int i = at.size() - 1; i >= 0; --i) {
    carry += at.octets[i] & mask.octets[i];
    at.octets[i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  return at;
}

absl::StatusOr<uint32_t> IpPrefix::OffsetOf(const IpAddress& other) const {
  if (!Contains(other)) {
    return absl::InvalidArgumentError(
        absl::StrCat(other.ToString(), " is not in ", ToString()));
  }
  const IpAddress mask = Mask();
  uint64_t offset = 0;
  for (int i = 0; i < mask.size(); ++i) {
    offset =
        offset << 8 | static_cast<uint8_t>(other.octets[i] & ~mask.octets[i]);
    if (offset > UINT32_MAX) {
      return absl::OutOfRangeError(
          absl::StrCat(other.ToString(), " is too far into ", ToString()));
    }
  }
  return static_cast<uint32_t>(offset);
}

absl::StatusOr<IpPrefix> ParsePrefix(absl::string_view text) {
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos) return NotA("address range", text);
  absl::StatusOr<IpAddress> address = ParseIp(text.substr(0, slash));
  const absl::string_view digits = text.substr(slash + 1);
  uint32_t bits = 0;
  if (!address.ok() || digits.empty() || digits.size() > 3 ||
      !std::all_of(digits.begin(), digits.end(),
                   [](char c) { return c >= '0' && c <= '9'; }) ||
      !absl::SimpleAtoi(digits, &bits) ||
      bits > static_cast<uint32_t>(address->size()) * 8) {
    return NotA("address range", text);
  }
  return IpPrefix{*address, static_cast<int>(bits)};
}

}  // namespace gantry::net
