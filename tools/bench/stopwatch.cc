#include "tools/bench/stopwatch.h"

#include <limits>

#include "tools/bench/floor_child.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {

namespace {

// An infinite duration has no end to count to.
int64_t Deadline(int64_t begin, absl::Duration longest) {
  const int64_t nanos = absl::ToInt64Nanoseconds(longest);
  const int64_t most = std::numeric_limits<int64_t>::max();
  return nanos > most - begin ? most : begin + nanos;
}

}  // namespace

Stopwatch::Stopwatch(absl::Duration longest)
    : begin_(MonotonicNanos()), deadline_(Deadline(begin_, longest)) {}

bool Stopwatch::GoesOn() const {
  return !ctl::Interrupted() && MonotonicNanos() < deadline_;
}

double Stopwatch::Seconds() const {
  return static_cast<double>(MonotonicNanos() - begin_) / 1e9;
}

}  // namespace gantry::bench
