#include "tools/bench/report.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "runtime/json/json.h"
#include "tools/ctl/format.h"

namespace gantry::bench {
namespace {

std::string Millis(int64_t nanos) {
  return absl::StrFormat("%8.3f", static_cast<double>(nanos) / 1e6);
}

// Counts as they are, the rest with three decimals; a JSON number too.
std::string Number(double value) {
  if (value == std::floor(value)) return absl::StrFormat("%.0f", value);
  return absl::StrFormat("%.3f", value);
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

void Report::AddValue(std::string name, double value, std::string unit) {
  values_.push_back({std::move(name), value, std::move(unit)});
}

void Report::AddFailure(std::string text) {
  failures_.push_back(std::move(text));
}

double Report::ValueOf(absl::string_view name) const {
  for (const Value& value : values_) {
    if (value.name == name) return value.value;
  }
  return 0;
}

std::string Report::RowTable() const {
  if (rows_.empty()) return "";
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
  return table.ToString();
}

std::string Report::ValueTable() const {
  if (values_.empty()) return "";
  ctl::Table table({"VALUE", "            ", "UNIT"});
  for (const Value& value : values_) {
    table.Add(
        {value.name, absl::StrFormat("%12s", Number(value.value)), value.unit});
  }
  return table.ToString();
}

std::string Report::Table() const {
  std::string text;
  for (const auto& [name, value] : facts_) {
    absl::StrAppend(&text, name, ": ", ctl::Printable(value), "\n");
  }
  absl::StrAppend(&text, RowTable(), ValueTable());
  for (const std::string& failure : failures_) {
    absl::StrAppend(&text, "FAILED: ", ctl::Printable(failure), "\n");
  }
  return text;
}

std::string Report::JsonRows() const {
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
  return rows;
}

std::string Report::Json() const {
  std::string facts;
  for (const auto& [name, value] : facts_) {
    absl::StrAppend(&facts, facts.empty() ? "" : ",", json::Quote(name), ":",
                    json::Quote(value));
  }
  std::string values;
  for (const Value& value : values_) {
    absl::StrAppend(&values, values.empty() ? "" : ",",
                    "{\"name\":", json::Quote(value.name),
                    ",\"value\":", Number(value.value),
                    ",\"unit\":", json::Quote(value.unit), "}");
  }
  std::string failures;
  for (const std::string& failure : failures_) {
    absl::StrAppend(&failures, failures.empty() ? "" : ",",
                    json::Quote(failure));
  }
  return ctl::PrettyJson(absl::StrCat("{\"mode\":", json::Quote(mode_),
                                      ",\"facts\":{", facts, "},\"rows\":[",
                                      JsonRows(), "],\"values\":[", values,
                                      "],\"failures\":[", failures, "]}"));
}

}  // namespace gantry::bench
