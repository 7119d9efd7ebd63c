// A server's turn that is one life: each of its calls becomes a row.
//
// Ownership, thread safety and blocking as of Lane.

#ifndef GANTRY_TOOLS_BENCH_LIFE_LANE_H_
#define GANTRY_TOOLS_BENCH_LIFE_LANE_H_

#include <vector>

#include "absl/status/status.h"
#include "tools/bench/endpoint.h"
#include "tools/bench/lanes.h"
#include "tools/bench/mode.h"
#include "tools/bench/report.h"

namespace gantry::bench {

// A life with that number: WholeLife or PodLife of Endpoint.
using Live = absl::StatusOr<Life> (Endpoint::*)(int number);

// Connects to each of the servers, notes what it is in `report`, and adds a
// lane for it. `mark` must outlive the lanes. Of a life with a container there
// are rows for "pod to running" and "whole life" as well.
absl::Status AddLifeLanes(const std::vector<NamedServer>& servers,
                          const RunMark& mark, Live live, Lanes* lanes,
                          Report* report);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_LIFE_LANE_H_
