// The result of a run: rows of durations, as a table for people or as JSON.

#ifndef GANTRY_TOOLS_BENCH_REPORT_H_
#define GANTRY_TOOLS_BENCH_REPORT_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/bench/samples.h"

namespace gantry::bench {

class Report {
 public:
  explicit Report(std::string mode) : mode_(std::move(mode)) {}

  // What was measured and how: "endpoint", "count", ...
  void SetFact(std::string name, std::string value);
  // The row that others are compared with; without one there are no ratios.
  void SetFloor(std::string name) { floor_ = std::move(name); }
  // The row of that name, made at its first use; rows keep that order.
  Samples& Row(absl::string_view name);

  // Milliseconds: median, 90th and 99th percentile, and the median as a
  // multiple of the floor's.
  std::string Table() const;
  // One object: mode, facts, rows with "median_ns", "p90_ns", "p99_ns",
  // "count" and "times_floor".
  std::string Json() const;

 private:
  double TimesFloor(const Samples& samples) const;  // 0: no floor

  std::string mode_;
  std::string floor_;
  std::vector<std::pair<std::string, std::string>> facts_;
  std::vector<std::pair<std::string, Samples>> rows_;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_REPORT_H_
