// Which addresses of a range are given to pods.
//
// Addresses are given in turn, so that one just given up is the last to be
// given again: who still thinks of its former holder has time to forget. The
// range's first address (the network's name in IPv4), the second (the
// gateway) and IPv4's last (broadcast) are never given.
// Thread safety: none. Never blocks.

#ifndef GANTRY_RUNTIME_NET_BRIDGE_ADDRESS_POOL_H_
#define GANTRY_RUNTIME_NET_BRIDGE_ADDRESS_POOL_H_

#include <cstddef>
#include <cstdint>
#include <set>

#include "absl/status/statusor.h"
#include "runtime/net/ip.h"

namespace gantry::net {

class AddressPool {
 public:
  explicit AddressPool(const IpPrefix& range);

  const IpPrefix& range() const { return range_; }
  IpAddress gateway() const { return range_.At(1); }
  size_t taken() const { return taken_.size(); }

  // RESOURCE_EXHAUSTED naming the range.
  absl::StatusOr<IpAddress> Take();
  // Notes one as given that is known to be; one that is not of the range is
  // left alone.
  void Note(const IpAddress& address);
  // Unknown is fine.
  void Release(const IpAddress& address);

 private:
  IpPrefix range_;
  // Offsets from the range's first address.
  uint32_t last_;
  uint32_t previous_ = 1;
  std::set<uint32_t> taken_;
};

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_BRIDGE_ADDRESS_POOL_H_
