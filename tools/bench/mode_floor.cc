#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/floor.h"
#include "tools/bench/lanes.h"
#include "tools/bench/mode.h"

namespace gantry::bench {

absl::StatusOr<Report> FloorOnly(const ModeOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<Floor> floor, Floor::Make(options.scratch));
  Report report("floor");
  report.SetFact("floor", floor->Description());
  report.SetFloor(kFloorRow);
  Lanes lanes;
  lanes.push_back(std::make_unique<FloorLane>(std::move(floor)));
  const Rounds rounds = {
      .count = options.count, .longest = options.longest, .warm_up = 0};
  ASSIGN_OR_RETURN(int done, TakeTurns(lanes, rounds, &report));
  report.SetFact("count", absl::StrCat(done));
  return report;
}

}  // namespace gantry::bench
