// A table of what stands on the wire of a protobuf file: one row for each RPC,
// field, enum value and message without fields. The columns are those of
// cri_v1_wire.tsv. Pure functions over values; thread-compatible.

#ifndef GANTRY_TEST_WIRE_TABLE_H_
#define GANTRY_TEST_WIRE_TABLE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::wiretest {

struct Row {
  std::string kind;    // rpc, field, enum or message
  std::string parent;  // service, message or enum; nested ones as Outer.Inner
  std::string name;
  std::string number;  // of fields and enum values, in decimal
  std::string label;   // fields: singular, repeated, map; RPCs: unary, stream
  std::string type;    // fields: "int64", "message:Name"; RPCs: "Request>Reply"
  std::string oneof;
  std::string note;  // "deprecated" or nothing

  bool operator==(const Row&) const = default;
};

// Shows a row as "kind parent.name (column value, ...)".
std::string ToString(const Row& row);

// Reads tab-separated rows below a header line. INVALID_ARGUMENT, with the line
// number, for a wrong header, a row that lacks columns or has too many, an
// unknown kind, and a row that is there twice.
absl::StatusOr<std::vector<Row>> ParseTable(absl::string_view text);

// Says one sentence for every row of `want` that `got` lacks or has otherwise,
// and for every row of `got` that `want` lacks. Empty if both are the same, in
// whatever order.
std::vector<std::string> CompareTables(const std::vector<Row>& want,
                                       const std::vector<Row>& got);

// The number of rows of one kind.
int CountKind(const std::vector<Row>& rows, absl::string_view kind);

}  // namespace gantry::wiretest

#endif  // GANTRY_TEST_WIRE_TABLE_H_
