// The only JSON reader of the project (RFC 8259): OCI and CNI documents.
//
// A Value is a view of one node that keeps the whole document alive and knows
// where it stands, so that every error names the wrong field:
// "manifest: layers[2].size: expected an integer, found a string".
// Size and nesting are capped before anything is built. Duplicate keys: the
// last one counts. Thread safety: a Value is immutable. Never blocks.

#ifndef GANTRY_RUNTIME_JSON_JSON_H_
#define GANTRY_RUNTIME_JSON_JSON_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::json {

struct Limits {
  size_t max_bytes = size_t{4} << 20;
  int max_depth = 64;
};

class Value {
 public:
  // `what` names the document in errors, e.g. "index.json". INVALID_ARGUMENT
  // with the line if it is not one JSON text, RESOURCE_EXHAUSTED if it is over
  // a limit.
  static absl::StatusOr<Value> Parse(absl::string_view text,
                                     absl::string_view what,
                                     const Limits& limits = {});

  bool IsNull() const;
  bool IsObject() const;
  bool IsArray() const;
  bool IsString() const;

  // The node itself; INVALID_ARGUMENT with the path if it is something else.
  absl::StatusOr<std::string> String() const;
  absl::StatusOr<int64_t> Int() const;
  absl::StatusOr<double> Number() const;
  absl::StatusOr<bool> Bool() const;
  absl::StatusOr<std::vector<Value>> Array() const;
  absl::StatusOr<std::vector<std::pair<std::string, Value>>> Members() const;

  // A member of an object; nullopt if absent or null (the two mean the same in
  // the documents read here), or if this is not an object.
  std::optional<Value> Find(absl::string_view key) const;

  // Members by type. Absent or null: the default; any other type: an error.
  absl::StatusOr<std::string> StringField(absl::string_view key,
                                          absl::string_view def = "") const;
  absl::StatusOr<int64_t> IntField(absl::string_view key,
                                   int64_t def = 0) const;
  absl::StatusOr<bool> BoolField(absl::string_view key, bool def = false) const;
  absl::StatusOr<std::vector<Value>> ArrayField(absl::string_view key) const;
  absl::StatusOr<std::vector<std::string>> StringListField(
      absl::string_view key) const;
  absl::StatusOr<std::map<std::string, std::string>> StringMapField(
      absl::string_view key) const;
  // The keys of an object used as a set, e.g. ExposedPorts; sorted.
  absl::StatusOr<std::vector<std::string>> KeysField(
      absl::string_view key) const;

  // "what: a.b[3]", for errors of the caller's own checks.
  std::string path() const { return path_; }
  // INVALID_ARGUMENT "path: message".
  absl::Status Error(absl::string_view message) const;

  // The node as compact JSON.
  std::string Dump() const;

 private:
  struct Document;
  Value(std::shared_ptr<const Document> document, const void* node,
        std::string path);
  absl::Status Expected(absl::string_view type) const;

  std::shared_ptr<const Document> document_;
  const void* node_;
  std::string path_;
};

// `text` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD.
std::string Quote(absl::string_view text);

}  // namespace gantry::json

#endif  // GANTRY_RUNTIME_JSON_JSON_H_
