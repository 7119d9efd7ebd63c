#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/floor.h"
#include "tools/bench/lanes.h"
#include "tools/bench/life_lane.h"
#include "tools/bench/mode.h"

namespace gantry::bench {

absl::StatusOr<Report> Latency(const ModeOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<RunMark> mark,
                   RunMark::Make(options.scratch));
  ASSIGN_OR_RETURN(std::unique_ptr<Floor> floor, Floor::Make(options.scratch));
  Report report("latency");
  report.SetFact("image", options.endpoint.image);
  report.SetFact("floor", floor->Description());
  report.SetFloor(kFloorRow);
  Lanes lanes;
  lanes.push_back(std::make_unique<FloorLane>(std::move(floor)));
  RETURN_IF_ERROR(AddLifeLanes(ServersOf(options), *mark, &Endpoint::WholeLife,
                               &lanes, &report));
  const Rounds rounds = {.count = options.count, .longest = options.longest};
  ASSIGN_OR_RETURN(int done, TakeTurns(lanes, rounds, &report));
  report.SetFact("count", absl::StrCat(done));
  return report;
}

}  // namespace gantry::bench
