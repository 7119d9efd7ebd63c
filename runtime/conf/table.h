// One table of a TOML file, read key by key, with errors that say where.
//
// Refers to the parsed file, which must outlive it. Thread safety: none. Never
// blocks.

#ifndef GANTRY_RUNTIME_CONF_TABLE_H_
#define GANTRY_RUNTIME_CONF_TABLE_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

// Errors are values here.
#define TOML_EXCEPTIONS 0
#include "toml++/toml.h"

namespace gantry::conf {

// "FILE:LINE: key" or "--flag": where a value was given, for errors.
using Where = std::string;

inline absl::Status Bad(const Where& where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

// INVALID_ARGUMENT "FILE:LINE: what" if it is not TOML.
inline absl::StatusOr<toml::table> Parse(absl::string_view text,
                                         absl::string_view file) {
  toml::parse_result parsed =
      toml::parse(std::string_view(text.data(), text.size()));
  if (parsed) return std::move(parsed).table();
  const toml::parse_error& error = parsed.error();
  const std::string_view what = error.description();
  return absl::InvalidArgumentError(
      absl::StrCat(file, ":", error.source().begin.line, ": ",
                   absl::string_view(what.data(), what.size())));
}

// One table of the file, whose keys are taken one by one; what is not taken in
// the end is unknown.
class Table {
 public:
  Table(const toml::table& table, absl::string_view file,
        absl::string_view prefix)
      : table_(table), file_(file), prefix_(prefix) {}

  Where At(absl::string_view key) const {
    const toml::node* node = Find(key);
    return Place(node == nullptr ? table_.source() : node->source(), key);
  }

  bool Has(absl::string_view key) const { return Find(key) != nullptr; }

  // Sorted.
  std::vector<std::string> Keys() const {
    std::vector<std::string> keys;
    for (const auto& [key, node] : table_) keys.emplace_back(key.str());
    return keys;
  }
  // In the order of the file.
  std::vector<std::string> KeysInOrder() const {
    std::vector<std::string> keys = Keys();
    std::stable_sort(keys.begin(), keys.end(),
                     [this](const std::string& a, const std::string& b) {
                       return Find(a)->source().begin < Find(b)->source().begin;
                     });
    return keys;
  }

  // Each leaves `to` alone if the key is absent.
  absl::Status Take(absl::string_view key, std::string& to) {
    const toml::node* node = Next(key);
    if (node == nullptr) return absl::OkStatus();
    std::optional<std::string> value = node->value_exact<std::string>();
    if (!value.has_value()) return WrongType(*node, key, "a string");
    to = *std::move(value);
    return absl::OkStatus();
  }
  absl::Status Take(absl::string_view key, bool& to) {
    const toml::node* node = Next(key);
    if (node == nullptr) return absl::OkStatus();
    std::optional<bool> value = node->value_exact<bool>();
    if (!value.has_value()) return WrongType(*node, key, "true or false");
    to = *value;
    return absl::OkStatus();
  }
  absl::Status Take(absl::string_view key, int least, int most, int& to) {
    const toml::node* node = Next(key);
    if (node == nullptr) return absl::OkStatus();
    const std::string expected =
        absl::StrCat("a number from ", least, " to ", most);
    std::optional<int64_t> value = node->value_exact<int64_t>();
    if (!value.has_value()) return WrongType(*node, key, expected);
    if (*value < least || *value > most) {
      return Bad(At(key),
                 absl::StrCat("expected ", expected, ", found ", *value));
    }
    to = static_cast<int>(*value);
    return absl::OkStatus();
  }
  absl::Status Take(absl::string_view key, std::vector<std::string>& to) {
    const toml::node* node = Next(key);
    if (node == nullptr) return absl::OkStatus();
    const toml::array* array = node->as_array();
    if (array == nullptr) return WrongType(*node, key, "a list of strings");
    to.clear();
    for (const toml::node& entry : *array) {
      std::optional<std::string> value = entry.value_exact<std::string>();
      if (!value.has_value()) return WrongType(entry, key, "a string");
      to.push_back(*std::move(value));
    }
    return absl::OkStatus();
  }
  // One string, or a list of them.
  absl::Status TakeOneOrMore(absl::string_view key,
                             std::vector<std::string>& to) {
    const toml::node* node = Next(key);
    if (node == nullptr || !node->is_string()) return Take(key, to);
    to.assign(1, *node->value_exact<std::string>());
    return absl::OkStatus();
  }
  // For what has more forms than one; null if absent.
  const toml::node* TakeNode(absl::string_view key) { return Next(key); }
  // An absent table is an empty one.
  absl::StatusOr<Table> TakeTable(absl::string_view key) {
    static const toml::table* const empty = new toml::table();
    const toml::node* node = Next(key);
    if (node == nullptr)
      return Table(*empty, file_, absl::StrCat(prefix_, key, "."));
    if (!node->is_table()) return WrongType(*node, key, "a table");
    return Table(*node->as_table(), file_, absl::StrCat(prefix_, key, "."));
  }

  absl::Status CheckAllTaken() const {
    for (const auto& [key, node] : table_) {
      const std::string name(key.str());
      if (taken_.count(name) != 0) continue;
      std::string known;
      for (const auto& [other, unused] : taken_) {
        absl::StrAppend(&known, known.empty() ? "" : ", ", other);
      }
      return Bad(Place(node.source(), name),
                 known.empty()
                     ? "unknown key; none is expected here"
                     : absl::StrCat("unknown key; expected one of ", known));
    }
    return absl::OkStatus();
  }

  absl::Status WrongType(const toml::node& node, absl::string_view key,
                         absl::string_view expected) const {
    static constexpr absl::string_view kTypes[] = {
        "nothing",    "a table",   "a list", "a string", "an integer",
        "a fraction", "a boolean", "a date", "a time",   "a date and time"};
    const size_t type = static_cast<size_t>(node.type());
    return Bad(Place(node.source(), key),
               absl::StrCat(
                   "expected ", expected, ", found ",
                   type < std::size(kTypes) ? kTypes[type] : "something else"));
  }

 private:
  const toml::node* Find(absl::string_view key) const {
    return table_.get(std::string_view(key.data(), key.size()));
  }
  const toml::node* Next(absl::string_view key) {
    taken_[std::string(key)] = true;
    return Find(key);
  }
  Where Place(const toml::source_region& source, absl::string_view key) const {
    return absl::StrCat(file_, ":", source.begin.line, ": ", prefix_, key);
  }
  const toml::table& table_;
  const std::string file_;
  const std::string prefix_;
  std::map<std::string, bool> taken_;
};

}  // namespace gantry::conf

#endif  // GANTRY_RUNTIME_CONF_TABLE_H_
