// The result of a run: rows of durations, and values that are none, as a table
// for people or as JSON.
//
// Owns what it is given. Not thread-safe; nothing blocks.

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
  // What is no duration: bytes, rates, counts. "B", "KiB", "execs/s", "".
  void AddValue(std::string name, double value, std::string unit);
  // What went wrong in a run that still has results.
  void AddFailure(std::string text);

  const std::vector<std::pair<std::string, Samples>>& rows() const {
    return rows_;
  }
  const std::string& mode() const { return mode_; }
  const std::vector<std::string>& failures() const { return failures_; }
  // 0 if there is none of that name.
  double ValueOf(absl::string_view name) const;

  // Milliseconds: median, 90th and 99th percentile, and the median as a
  // multiple of the floor's. Then the values, then the failures.
  std::string Table() const;
  // One object: mode, facts, rows with "median_ns", "p90_ns", "p99_ns",
  // "count" and "times_floor", values with "value" and "unit", failures.
  std::string Json() const;

 private:
  struct Value {
    std::string name;
    double value;
    std::string unit;
  };

  double TimesFloor(const Samples& samples) const;  // 0: no floor
  std::string RowTable() const;
  std::string ValueTable() const;
  std::string JsonRows() const;

  std::string mode_;
  std::string floor_;
  std::vector<std::pair<std::string, std::string>> facts_;
  std::vector<std::pair<std::string, Samples>> rows_;
  std::vector<Value> values_;
  std::vector<std::string> failures_;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_REPORT_H_
