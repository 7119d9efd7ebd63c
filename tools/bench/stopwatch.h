// Says when a run is to stop: interrupted, or its time is up. Any thread.

#ifndef GANTRY_TOOLS_BENCH_STOPWATCH_H_
#define GANTRY_TOOLS_BENCH_STOPWATCH_H_

#include <cstdint>

#include "absl/time/time.h"

namespace gantry::bench {

class Stopwatch {
 public:
  explicit Stopwatch(absl::Duration longest);
  bool GoesOn() const;
  double Seconds() const;  // since it was made

 private:
  const int64_t begin_;
  const int64_t deadline_;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_STOPWATCH_H_
