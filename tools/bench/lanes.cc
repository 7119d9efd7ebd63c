#include "tools/bench/lanes.h"

#include <algorithm>

#include "runtime/base/status.h"
#include "tools/bench/stopwatch.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {
namespace {

// Whether all had their turn.
absl::StatusOr<bool> OneRound(const Lanes& lanes, int round,
                              absl::Duration rest, Report* report) {
  for (const std::unique_ptr<Lane>& lane : lanes) {
    RETURN_IF_ERROR(lane->Prepare());
    if (ctl::SleepUnlessInterrupted(rest)) return false;
    RETURN_IF_ERROR(lane->Take(round, report));
  }
  return true;
}

absl::StatusOr<int> AllRounds(const Lanes& lanes, const Rounds& rounds,
                              Report* report) {
  const Stopwatch watch(rounds.longest);
  const int warm_up = std::min(rounds.warm_up, rounds.count - 1);
  int done = 0;
  for (int round = 0; done < rounds.count && watch.GoesOn(); ++round) {
    const bool counted = round >= warm_up;
    ASSIGN_OR_RETURN(bool whole, OneRound(lanes, round, rounds.rest,
                                          counted ? report : nullptr));
    done += counted && whole ? 1 : 0;
  }
  if (done == 0) {
    return absl::CancelledError(ctl::Interrupted()
                                    ? "interrupted"
                                    : "out of time before the first result");
  }
  return done;
}

}  // namespace

absl::StatusOr<int> TakeTurns(const Lanes& lanes, const Rounds& rounds,
                              Report* report) {
  const absl::StatusOr<int> done = AllRounds(lanes, rounds, report);
  absl::Status removed;
  for (const std::unique_ptr<Lane>& lane : lanes) {
    removed.Update(lane->RemoveAll());
  }
  RETURN_IF_ERROR(done.status());
  RETURN_IF_ERROR(removed);
  return done;
}

absl::Status FloorLane::Take(int /*round*/, Report* report) {
  ASSIGN_OR_RETURN(FloorCosts costs, floor_->Measure());
  if (report == nullptr) return absl::OkStatus();
  report->Row(kFloorRow).Add(costs.whole);
  report->Row("  make cgroups").Add(costs.make_cgroups);
  report->Row("  clone into namespaces").Add(costs.clone_namespaces);
  report->Row("  join cgroups").Add(costs.join_cgroups);
  report->Row("  mount overlay").Add(costs.mount_overlay);
  report->Row("  exec true and reap").Add(costs.exec_and_reap);
  report->Row("  remove cgroups").Add(costs.remove_cgroups);
  report->Row("namespaces, exec, reap").Add(costs.namespaces_only);
  report->Row("plain exec, reap").Add(costs.plain_process);
  return absl::OkStatus();
}

}  // namespace gantry::bench
