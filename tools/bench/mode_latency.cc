#include <algorithm>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/mode.h"

namespace gantry::bench {
namespace {

// Not counted: caches of kernel and server are cold in the first ones.
constexpr int kWarmUp = 3;

void AddLife(const Life& life, Report* report) {
  for (const auto& [name, nanos] : life.steps) {
    report->Row(name).Add(nanos);
    if (name == "StartContainer") {
      report->Row("pod to running").Add(life.pod_to_running);
    }
  }
  report->Row("whole life").Add(life.whole);
}

// The floor and a life in turn, so that a noisy machine hits both alike.
absl::StatusOr<int> Measure(const ModeOptions& options, Floor& floor,
                            Endpoint& endpoint, Report* report) {
  const Stopwatch watch(options.longest);
  int done = 0;
  for (int i = 0; done < options.count && watch.GoesOn(); ++i) {
    ASSIGN_OR_RETURN(FloorCosts costs, floor.Measure());
    ASSIGN_OR_RETURN(Life life, endpoint.WholeLife(i));
    if (i < std::min(kWarmUp, options.count - 1)) continue;
    AddFloor(costs, report);
    AddLife(life, report);
    ++done;
  }
  if (done == 0) return absl::CancelledError("interrupted");
  return done;
}

}  // namespace

absl::StatusOr<Report> Latency(const ModeOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<RunMark> mark,
                   RunMark::Make(options.scratch));
  ASSIGN_OR_RETURN(std::unique_ptr<Endpoint> endpoint,
                   Endpoint::Connect(options.endpoint, *mark));
  ASSIGN_OR_RETURN(std::unique_ptr<Floor> floor, Floor::Make(options.scratch));
  Report report("latency");
  report.SetFact("server", endpoint->server());
  report.SetFact("endpoint", options.endpoint.socket);
  report.SetFact("image", options.endpoint.image);
  report.SetFact("network", options.endpoint.host_network ? "host" : "pod");
  report.SetFact("pid", options.endpoint.pod_pid ? "pod" : "container");
  report.SetFact("floor", floor->Description());
  report.SetFloor(kFloorRow);
  const absl::StatusOr<int> done = Measure(options, *floor, *endpoint, &report);
  const absl::Status removed = endpoint->RemoveAll();
  RETURN_IF_ERROR(done.status());
  RETURN_IF_ERROR(removed);
  report.SetFact("count", absl::StrCat(*done));
  return report;
}

}  // namespace gantry::bench
