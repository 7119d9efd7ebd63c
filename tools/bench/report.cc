#include "tools/bench/report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "runtime/json/json.h"
#include "tools/ctl/format.h"

namespace gantry::bench {
namespace {

std::string Millis(int64_t nanos) {
  return absl::StrFormat("%8.3f", static_cast<double>(nanos) / 1e6);
}

}  // namespace

void Report::SetFact(std::string name, std::string value) {
  facts_.emplace_back(std::move(name), std::move(value));
}

Samples& Report::Row(absl::string_view name) {
  for (auto& [row_name, samples] : rows_) {
    if (row_name == name) return samples;
  }
  return rows_.emplace_back(std::string(name), Samples()).second;
}

double Report::TimesFloor(const Samples& samples) const {
  for (const auto& [name, floor] : rows_) {
    if (name != floor_ || floor.Median() == 0) continue;
    return static_cast<double>(samples.Median()) /
           static_cast<double>(floor.Median());
  }
  return 0;
}

std::string Report::Table() const {
  std::string text;
  for (const auto& [name, value] : facts_) {
    absl::StrAppend(&text, name, ": ", ctl::Printable(value), "\n");
  }
  std::vector<std::string> heading = {"MILLISECONDS", "  MEDIAN", "     P90",
                                      "     P99"};
  if (!floor_.empty()) heading.push_back("X FLOOR");
  ctl::Table table(heading);
  for (const auto& [name, samples] : rows_) {
    std::vector<std::string> row = {name, Millis(samples.Median()),
                                    Millis(samples.Percentile(90)),
                                    Millis(samples.Percentile(99))};
    if (!floor_.empty()) {
      row.push_back(absl::StrFormat("%7.2f", TimesFloor(samples)));
    }
    table.Add(std::move(row));
  }
  return absl::StrCat(text, table.ToString());
}

std::string Report::Json() const {
  std::string facts;
  for (const auto& [name, value] : facts_) {
    absl::StrAppend(&facts, facts.empty() ? "" : ",", json::Quote(name), ":",
                    json::Quote(value));
  }
  std::string rows;
  for (const auto& [name, samples] : rows_) {
    absl::StrAppend(
        &rows, rows.empty() ? "" : ",", "{\"name\":", json::Quote(name),
        ",\"count\":", samples.size(), ",\"median_ns\":", samples.Median(),
        ",\"p90_ns\":", samples.Percentile(90),
        ",\"p99_ns\":", samples.Percentile(99));
    if (!floor_.empty()) {
      absl::StrAppendFormat(&rows, ",\"times_floor\":%.3f",
                            TimesFloor(samples));
    }
    rows += "}";
  }
  return ctl::PrettyJson(absl::StrCat("{\"mode\":", json::Quote(mode_),
                                      ",\"facts\":{", facts, "},\"rows\":[",
                                      rows, "]}"));
}

}  // namespace gantry::bench
