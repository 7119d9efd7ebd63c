#include "tools/bench/probes.h"

#include <algorithm>

#include "runtime/base/status.h"
#include "tools/bench/parallel_for.h"
#include "tools/bench/stopwatch.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {
namespace {

// A signal may have ended on another thread: nobody sleeps for longer at once.
constexpr absl::Duration kLongestSleep = absl::Milliseconds(200);

void WaitUntil(const Stopwatch& watch, absl::Duration when) {
  while (watch.GoesOn()) {
    const absl::Duration left = when - absl::Seconds(watch.Seconds());
    if (left <= absl::ZeroDuration()) return;
    ctl::SleepUnlessInterrupted(std::min(left, kLongestSleep));
  }
}

}  // namespace

absl::Status Wait(absl::Duration duration) {
  WaitUntil(Stopwatch(duration), duration);
  return ctl::Interrupted() ? absl::CancelledError("interrupted")
                            : absl::OkStatus();
}

absl::StatusOr<int> ProbeFor(absl::Duration duration, absl::Duration period,
                             int at_once, HeldPods& held) {
  const size_t pods = held.pods().size();
  const absl::Duration step = period / static_cast<int64_t>(pods);
  const int probes = static_cast<int>(std::max<int64_t>(1, duration / step));
  const Stopwatch watch(duration);
  const auto probe = [&](int, int index) -> absl::Status {
    WaitUntil(watch, index * step);
    Life unused;
    return held.endpoint().ExecTrue(held.pods()[index % pods].container,
                                    &unused);
  };
  ASSIGN_OR_RETURN(const int done,
                   ParallelFor(
                       at_once, probes, [&] { return watch.GoesOn(); }, probe));
  WaitUntil(watch, duration);
  if (ctl::Interrupted()) return absl::CancelledError("interrupted");
  return done;
}

}  // namespace gantry::bench
