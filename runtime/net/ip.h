// IP addresses and ranges of them, of both families, as values.
//
// Thread safety: values and pure functions.

#ifndef GANTRY_RUNTIME_NET_IP_H_
#define GANTRY_RUNTIME_NET_IP_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::net {

struct IpAddress {
  bool v6 = false;
  // In network order; of IPv4 the first four.
  std::array<uint8_t, 16> octets{};

  int size() const { return v6 ? 16 : 4; }
  absl::string_view bytes() const {
    return {reinterpret_cast<const char*>(octets.data()),
            static_cast<size_t>(size())};
  }
  std::string ToString() const;
  // 0.0.0.0 or ::, which stand for every address of the family.
  bool IsAny() const;

  auto operator<=>(const IpAddress&) const = default;
};

// A literal without a zone. INVALID_ARGUMENT otherwise.
absl::StatusOr<IpAddress> ParseIp(absl::string_view text);

// `bits` leading bits of `address`; the others may be anything, so that this
// is also an interface's address with its range.
struct IpPrefix {
  IpAddress address;
  int bits = 0;

  // "10.1.0.0/16".
  std::string ToString() const;
  bool Contains(const IpAddress& other) const;
  // Whether one of them contains the other.
  bool Overlaps(const IpPrefix& other) const;
  // The range's first address plus `offset`.
  IpAddress At(uint32_t offset) const;
  // How far `other`, which it contains, is from the first address; nothing
  // beyond 32 bits.
  absl::StatusOr<uint32_t> OffsetOf(const IpAddress& other) const;
  // Of 32 or 128 bits, the first `bits` set.
  IpAddress Mask() const;

  auto operator<=>(const IpPrefix&) const = default;
};

// "10.1.0.0/16" or "fd00::/64". INVALID_ARGUMENT otherwise.
absl::StatusOr<IpPrefix> ParsePrefix(absl::string_view text);

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_IP_H_
