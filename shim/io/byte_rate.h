// A limit on bytes per second, with a second's worth at once after a rest
// (a token bucket).
//
// Whoever may take a byte may take a whole record, of whatever size: what goes
// beyond the allowance is paid for by waiting. Time is told by the caller, in
// nanoseconds that only grow. Thread safety: none. Never blocks.

#ifndef GANTRY_SHIM_IO_BYTE_RATE_H_
#define GANTRY_SHIM_IO_BYTE_RATE_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

namespace gantry::shim {

class ByteRate {
 public:
  // 0: any.
  explicit ByteRate(uint64_t per_second)
      : per_second_(static_cast<double>(per_second)) {}

  bool limited() const { return per_second_ > 0; }

  // Bytes that may be taken now; not positive: none.
  int64_t Allowance(int64_t now) {
    if (!limited()) return std::numeric_limits<int64_t>::max();
    // What was not taken for more than a second is forgotten.
    paid_at_ = std::max(paid_at_, now - kSecond);
    return static_cast<int64_t>(static_cast<double>(now - paid_at_) *
                                per_second_ / kSecond);
  }

  void Take(int64_t bytes) {
    if (!limited()) return;
    paid_at_ += static_cast<int64_t>(static_cast<double>(bytes) * kSecond /
                                     per_second_);
  }

  // How long until the allowance is worth so much time; 0: it is.
  std::chrono::nanoseconds Until(std::chrono::nanoseconds worth,
                                 int64_t now) const {
    if (!limited()) return std::chrono::nanoseconds(0);
    return std::max(std::chrono::nanoseconds(paid_at_ - now) + worth,
                    std::chrono::nanoseconds(0));
  }

 private:
  static constexpr int64_t kSecond = 1'000'000'000;

  double per_second_;
  // When the rate alone would have let everything through that was taken.
  int64_t paid_at_ = 0;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_BYTE_RATE_H_
