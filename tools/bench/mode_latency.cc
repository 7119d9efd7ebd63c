#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/floor.h"
#include "tools/bench/lanes.h"
#include "tools/bench/mode.h"

namespace gantry::bench {
namespace {

class LifeLane : public Lane {
 public:
  LifeLane(NamedServer server, std::unique_ptr<Endpoint> endpoint)
      : server_(std::move(server)), endpoint_(std::move(endpoint)) {}

  absl::Status Take(int round, Report* report) override {
    ASSIGN_OR_RETURN(Life life, endpoint_->WholeLife(round), server_.title);
    if (report == nullptr) return absl::OkStatus();
    for (const auto& [name, nanos] : life.steps) {
      report->Row(NameOf(server_, name)).Add(nanos);
      if (name == "StartContainer") {
        report->Row(NameOf(server_, "pod to running")).Add(life.pod_to_running);
      }
    }
    report->Row(NameOf(server_, "whole life")).Add(life.whole);
    return absl::OkStatus();
  }
  absl::Status RemoveAll() override {
    return Annotate(endpoint_->RemoveAll(), server_.title);
  }

 private:
  const NamedServer server_;
  const std::unique_ptr<Endpoint> endpoint_;
};

}  // namespace

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
  for (const NamedServer& server : ServersOf(options)) {
    ASSIGN_OR_RETURN(std::unique_ptr<Endpoint> endpoint,
                     Endpoint::Connect(server.endpoint, *mark), server.title);
    SetServerFacts(server, *endpoint, &report);
    lanes.push_back(std::make_unique<LifeLane>(server, std::move(endpoint)));
  }
  const Rounds rounds = {.count = options.count, .longest = options.longest};
  ASSIGN_OR_RETURN(int done, TakeTurns(lanes, rounds, &report));
  report.SetFact("count", absl::StrCat(done));
  return report;
}

}  // namespace gantry::bench
