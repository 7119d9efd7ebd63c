#include "runtime/base/clock.h"

#include <time.h>

namespace gantry {
namespace {

int64_t Now(clockid_t id) {
  struct timespec now = {};
  clock_gettime(id, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class KernelClock final : public Clock {
 public:
  int64_t UnixNanos() const override { return Now(CLOCK_REALTIME); }
  int64_t BootNanos() const override { return Now(CLOCK_BOOTTIME); }
};

}  // namespace

const Clock& RealClock() {
  static const KernelClock* const clock = new KernelClock;
  return *clock;
}

}  // namespace gantry
