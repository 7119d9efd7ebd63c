#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/mode.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {

Stopwatch::Stopwatch(absl::Duration longest)
    : begin_(MonotonicNanos()),
      deadline_(begin_ + absl::ToInt64Nanoseconds(longest)) {}

bool Stopwatch::GoesOn() const {
  return !ctl::Interrupted() && MonotonicNanos() < deadline_;
}

double Stopwatch::Seconds() const {
  return static_cast<double>(MonotonicNanos() - begin_) / 1e9;
}

void AddFloor(const FloorCosts& costs, Report* report) {
  report->Row(kFloorRow).Add(costs.whole);
  report->Row("  make cgroups").Add(costs.make_cgroups);
  report->Row("  clone into namespaces").Add(costs.clone_namespaces);
  report->Row("  join cgroups").Add(costs.join_cgroups);
  report->Row("  mount overlay").Add(costs.mount_overlay);
  report->Row("  exec true and reap").Add(costs.exec_and_reap);
  report->Row("  remove cgroups").Add(costs.remove_cgroups);
  report->Row("namespaces, exec, reap").Add(costs.namespaces_only);
  report->Row("plain exec, reap").Add(costs.plain_process);
}

absl::StatusOr<Report> FloorOnly(const ModeOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<Floor> floor, Floor::Make(options.scratch));
  Report report("floor");
  report.SetFact("floor", floor->Description());
  report.SetFloor(kFloorRow);
  const Stopwatch watch(options.longest);
  int done = 0;
  for (; done < options.count && watch.GoesOn(); ++done) {
    ASSIGN_OR_RETURN(FloorCosts costs, floor->Measure());
    AddFloor(costs, &report);
  }
  if (done == 0) return absl::CancelledError("interrupted");
  report.SetFact("count", absl::StrCat(done));
  return report;
}

}  // namespace gantry::bench
