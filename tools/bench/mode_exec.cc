#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/batch.h"
#include "tools/bench/lanes.h"
#include "tools/bench/mode.h"
#include "tools/bench/stopwatch.h"

namespace gantry::bench {
namespace {

// Not counted: the first programs of a container meet cold caches.
constexpr int kWarmUp = 3;

// One server's turn: a share of the execs one after the other, then as many at
// once, all in one container.
class ExecLane : public Lane {
 public:
  // `number`: of its pod; `share`: of each turn.
  ExecLane(const ModeOptions& options, int number, int share, Batch* batch)
      : options_(options), number_(number), share_(share), batch_(*batch) {}

  absl::Status Take(int round, Report* report) override {
    if (round == 0) {
      RETURN_IF_ERROR(MakeContainer()) << batch_.server().title;
    }
    RETURN_IF_ERROR(OneAfterTheOther(report)) << batch_.server().title;
    const std::string row =
        absl::StrCat("ExecSync(true), ", options_.parallel, " at once");
    const auto exec = [this, &row](Endpoint& endpoint, int, Report* rows) {
      return ExecInto(endpoint, row, rows);
    };
    return batch_.Run(share_, options_.longest, exec, report);
  }
  absl::Status RemoveAll() override {
    return Annotate(batch_.first().RemoveAll(), batch_.server().title);
  }

 private:
  absl::Status MakeContainer() {
    Life unused;
    Endpoint& endpoint = batch_.first();
    ASSIGN_OR_RETURN(const std::string pod, endpoint.RunPod(number_, &unused));
    ASSIGN_OR_RETURN(container_,
                     endpoint.CreateContainer(pod, number_, number_, &unused));
    RETURN_IF_ERROR(endpoint.StartContainer(container_, &unused));
    for (int i = 0; i < kWarmUp; ++i) {
      RETURN_IF_ERROR(endpoint.ExecTrue(container_, &unused));
    }
    return absl::OkStatus();
  }

  absl::Status ExecInto(Endpoint& endpoint, absl::string_view row,
                        Report* rows) {
    Life life;
    RETURN_IF_ERROR(endpoint.ExecTrue(container_, &life));
    rows->Row(row).Add(life.steps.back().second);
    return absl::OkStatus();
  }

  absl::Status OneAfterTheOther(Report* report) {
    const Stopwatch watch(options_.longest);
    const std::string row = NameOf(batch_.server(), "ExecSync(true)");
    for (int i = 0; i < share_ && watch.GoesOn(); ++i) {
      RETURN_IF_ERROR(ExecInto(batch_.first(), row, report));
    }
    return absl::OkStatus();
  }

  const ModeOptions& options_;
  const int number_;
  const int share_;
  Batch& batch_;
  std::string container_;
};

}  // namespace

absl::StatusOr<Report> Exec(const ModeOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<RunMark> mark,
                   RunMark::Make(options.scratch));
  Report report("exec");
  report.SetFact("image", options.endpoint.image);
  ASSIGN_OR_RETURN(std::vector<Batch> connected,
                   ConnectBatches(options, *mark, &report));
  const int batches =
      BatchesOf(options.count, options.parallel, connected.size());
  Lanes lanes;
  for (Batch& batch : connected) {
    lanes.push_back(std::make_unique<ExecLane>(
        options, static_cast<int>(lanes.size()),
        (options.count + batches - 1) / batches, &batch));
  }
  const Rounds rounds = {
      .count = batches, .longest = options.longest, .warm_up = 0};
  RETURN_IF_ERROR(TakeTurns(lanes, rounds, &report).status());
  report.SetFact("at once", absl::StrCat(options.parallel));
  for (const Batch& batch : connected) {
    // Cut short before its first ones at once, it has those one by one.
    if (batch.done() > 0) batch.AddRate("execs", &report);
  }
  return report;
}

}  // namespace gantry::bench
