// Exec probes as a kubelet makes them: in each container once a period, spread
// evenly over it. Blocks for the whole duration; uses threads of its own.

#ifndef GANTRY_TOOLS_BENCH_PROBES_H_
#define GANTRY_TOOLS_BENCH_PROBES_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/held_pods.h"

namespace gantry::bench {

// Waits; CANCELLED if interrupted.
absl::Status Wait(absl::Duration duration);

// How many probes were made. A server that is too slow for the rate gets fewer,
// `at_once` at a time. CANCELLED if interrupted.
absl::StatusOr<int> ProbeFor(absl::Duration duration, absl::Duration period,
                             int at_once, HeldPods& held);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_PROBES_H_
