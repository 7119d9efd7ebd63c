#include "test/wire/table.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace gantry::wiretest {
namespace {

constexpr absl::string_view kHeader =
    "kind\tparent\tname\tnumber\tlabel\ttype\toneof\tnote";

// What a row is about; the other columns say what it is like.
using Key = std::tuple<std::string, std::string, std::string>;

Key KeyOf(const Row& row) { return {row.kind, row.parent, row.name}; }

// The columns that say what a row is like, by name.
std::vector<std::pair<std::string, std::string>> ColumnsOf(const Row& row) {
  return {{"number", row.number},
          {"label", row.label},
          {"type", row.type},
          {"oneof", row.oneof},
          {"note", row.note}};
}

std::string NameOf(const Row& row) {
  return absl::StrCat(row.kind, " ", row.parent, row.name.empty() ? "" : ".",
                      row.name);
}

absl::StatusOr<Row> ParseRow(absl::string_view line) {
  const std::vector<std::string> columns = absl::StrSplit(line, '\t');
  if (columns.size() != 8) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", columns.size(), " columns, not 8"));
  }
  Row row{columns[0], columns[1], columns[2], columns[3],
          columns[4], columns[5], columns[6], columns[7]};
  const bool numbered = row.kind == "field" || row.kind == "enum";
  if (!numbered && row.kind != "rpc" && row.kind != "message") {
    return absl::InvalidArgumentError(
        absl::StrCat("has the unknown kind \"", row.kind, "\""));
  }
  int number = 0;
  if (numbered ? !absl::SimpleAtoi(row.number, &number) : !row.number.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("has the number \"", row.number, "\""));
  }
  return row;
}

// Says how the two rows of one key differ; empty if they do not.
std::string Difference(const Row& want, const Row& got) {
  std::vector<std::string> differences;
  const auto want_columns = ColumnsOf(want);
  const auto got_columns = ColumnsOf(got);
  for (size_t i = 0; i < want_columns.size(); ++i) {
    const auto& [column, value] = want_columns[i];
    if (value == got_columns[i].second) continue;
    differences.push_back(absl::StrCat(column, " is \"", got_columns[i].second,
                                       "\", not \"", value, "\""));
  }
  return absl::StrJoin(differences, ", ");
}

}  // namespace

std::string ToString(const Row& row) {
  std::vector<std::string> columns;
  for (const auto& [column, value] : ColumnsOf(row)) {
    if (!value.empty()) columns.push_back(absl::StrCat(column, " ", value));
  }
  return absl::StrCat(NameOf(row), " (", absl::StrJoin(columns, ", "), ")");
}

absl::StatusOr<std::vector<Row>> ParseTable(absl::string_view text) {
  std::vector<Row> rows;
  std::set<Key> seen;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (number == 1) {
      if (line == kHeader) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("line 1 is not the header \"", kHeader, "\""));
    }
    if (line.empty()) continue;
    absl::StatusOr<Row> row = ParseRow(line);
    if (!row.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, " ", row.status().message()));
    }
    if (!seen.insert(KeyOf(*row)).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "line ", number, " has ", NameOf(*row), " a second time"));
    }
    rows.push_back(*std::move(row));
  }
  return rows;
}

std::vector<std::string> CompareTables(const std::vector<Row>& want,
                                       const std::vector<Row>& got) {
  std::multimap<Key, const Row*> rest;
  for (const Row& row : got) rest.emplace(KeyOf(row), &row);
  std::vector<std::string> differences;
  for (const Row& row : want) {
    const auto found = rest.find(KeyOf(row));
    if (found == rest.end()) {
      differences.push_back(absl::StrCat("missing: ", ToString(row)));
      continue;
    }
    const std::string difference = Difference(row, *found->second);
    if (!difference.empty()) {
      differences.push_back(absl::StrCat(NameOf(row), ": ", difference));
    }
    rest.erase(found);
  }
  for (const auto& [key, row] : rest) {
    differences.push_back(absl::StrCat("not in the table: ", ToString(*row)));
  }
  return differences;
}

int CountKind(const std::vector<Row>& rows, absl::string_view kind) {
  return std::count_if(rows.begin(), rows.end(),
                       [&](const Row& row) { return kind == row.kind; });
}

}  // namespace gantry::wiretest
