#include "runtime/net/bridge/address_pool.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace gantry::net {
namespace {

constexpr uint32_t kFirst = 2;

// The last offset that may be given. No node has more pods than this.
uint32_t LastOf(const IpPrefix& range) {
  const int host_bits = range.address.size() * 8 - range.bits;
  const uint64_t count = uint64_t{1} << std::min(host_bits, 31);
  return static_cast<uint32_t>(count - (range.address.v6 ? 1 : 2));
}

}  // namespace

AddressPool::AddressPool(const IpPrefix& range)
    : range_(range), last_(LastOf(range)) {}

absl::StatusOr<IpAddress> AddressPool::Take() {
  if (taken_.size() >= last_ - kFirst + 1) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no address is left in ", range_.ToString()));
  }
  do {
    previous_ = previous_ >= last_ ? kFirst : previous_ + 1;
  } while (!taken_.insert(previous_).second);
  return range_.At(previous_);
}

void AddressPool::Note(const IpAddress& address) {
  absl::StatusOr<uint32_t> offset = range_.OffsetOf(address);
  if (!offset.ok() || *offset < kFirst || *offset > last_) return;
  taken_.insert(*offset);
  previous_ = std::max(previous_, *offset);
}

void AddressPool::Release(const IpAddress& address) {
  absl::StatusOr<uint32_t> offset = range_.OffsetOf(address);
  if (offset.ok()) taken_.erase(*offset);
}

}  // namespace gantry::net
