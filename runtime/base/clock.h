// Wall and monotonic time, replaceable in tests.
//
// Thread safety: implementations are thread-safe. Units: nanoseconds, as CRI
// counts time.

#ifndef GANTRY_RUNTIME_BASE_CLOCK_H_
#define GANTRY_RUNTIME_BASE_CLOCK_H_

#include <cstdint>

namespace gantry {

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since the epoch (CLOCK_REALTIME).
  virtual int64_t UnixNanos() const = 0;
  // Nanoseconds that only grow (CLOCK_BOOTTIME: also counts suspend).
  virtual int64_t BootNanos() const = 0;
};

// The kernel's clock. Never destroyed.
const Clock& RealClock();

}  // namespace gantry

#endif  // GANTRY_RUNTIME_BASE_CLOCK_H_
