#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/batch.h"
#include "tools/bench/lanes.h"
#include "tools/bench/mode.h"

namespace gantry::bench {
namespace {

absl::Status LiveOnce(Endpoint& endpoint, int number, Report* rows) {
  ASSIGN_OR_RETURN(Life life, endpoint.WholeLife(number));
  rows->Row("pod to running").Add(life.pod_to_running);
  rows->Row("whole life").Add(life.whole);
  return absl::OkStatus();
}

class ParallelLane : public Lane {
 public:
  // `lives`: each turn's.
  ParallelLane(const ModeOptions& options, int lives, Batch* batch)
      : options_(options), lives_(lives), batch_(*batch) {}

  absl::Status Take(int /*round*/, Report* report) override {
    return batch_.Run(lives_, options_.longest, LiveOnce, report);
  }
  absl::Status RemoveAll() override {
    return Annotate(batch_.first().RemoveAll(options_.parallel),
                    batch_.server().title);
  }

 private:
  const ModeOptions& options_;
  const int lives_;
  Batch& batch_;
};

}  // namespace

absl::StatusOr<Report> Parallel(const ModeOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<RunMark> mark,
                   RunMark::Make(options.scratch));
  Report report("parallel");
  report.SetFact("image", options.endpoint.image);
  ASSIGN_OR_RETURN(std::vector<Batch> connected,
                   ConnectBatches(options, *mark, &report));
  const int batches =
      BatchesOf(options.count, options.parallel, connected.size());
  Lanes lanes;
  for (Batch& batch : connected) {
    lanes.push_back(std::make_unique<ParallelLane>(
        options, (options.count + batches - 1) / batches, &batch));
  }
  const Rounds rounds = {
      .count = batches, .longest = options.longest, .warm_up = 0};
  RETURN_IF_ERROR(TakeTurns(lanes, rounds, &report).status());
  report.SetFact("at once", absl::StrCat(options.parallel));
  for (const Batch& batch : connected) {
    if (batch.done() == 0) return absl::CancelledError("interrupted");
    batch.AddRate("lives", &report);
  }
  return report;
}

}  // namespace gantry::bench
