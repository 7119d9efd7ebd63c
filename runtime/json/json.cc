#include "runtime/json/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::json {
namespace {

using Node = nlohmann::json;

const Node& AsNode(const void* node) { return *static_cast<const Node*>(node); }

// The parser builds as deep as the text says; so the depth is checked first.
bool TooDeep(absl::string_view text, int max_depth) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > max_depth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

absl::string_view TypeName(const Node& node) {
  switch (node.type()) {
    case Node::value_t::null:
      return "null";
    case Node::value_t::object:
      return "an object";
    case Node::value_t::array:
      return "an array";
    case Node::value_t::string:
      return "a string";
    case Node::value_t::boolean:
      return "a boolean";
    default:
      return "a number";
  }
}

std::string Dumped(const Node& node) {
  return node.dump(-1, ' ', /*ensure_ascii=*/false,
                   Node::error_handler_t::replace);
}

// Reads a text only for where it stops being one.
class ErrorPosition : public nlohmann::json_sax<Node> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(size_t position, const std::string&,
                   const Node::exception&) override {
    position_ = position;
    return false;
  }
  // Characters read, the wrong one included.
  size_t position() const { return position_; }

 private:
  size_t position_ = 0;
};

absl::Status NotJson(absl::string_view text, absl::string_view what) {
  ErrorPosition position;
  Node::sax_parse(text.begin(), text.end(), &position);
  const absl::string_view read =
      text.substr(0, std::max<size_t>(position.position(), 1) - 1);
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": not valid JSON (line ",
                   1 + std::count(read.begin(), read.end(), '\n'), ")"));
}

}  // namespace

struct Value::Document {
  Node root;
};

Value::Value(std::shared_ptr<const Document> document, const void* node,
             std::string path)
    : document_(std::move(document)), node_(node), path_(std::move(path)) {}

absl::StatusOr<Value> Value::Parse(absl::string_view text,
                                   absl::string_view what,
                                   const Limits& limits) {
  if (text.size() > limits.max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, ": ", text.size(), " bytes of JSON, more than the ",
                     limits.max_bytes, " allowed"));
  }
  if (TooDeep(text, limits.max_depth)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, ": JSON nested deeper than ", limits.max_depth));
  }
  auto document = std::make_shared<Document>();
  document->root =
      Node::parse(text.begin(), text.end(), /*cb=*/nullptr,
                  /*allow_exceptions=*/false, /*ignore_comments=*/false);
  if (document->root.is_discarded()) {
    return NotJson(text, what);
  }
  const void* root = &document->root;
  return Value(std::move(document), root, std::string(what));
}

bool Value::IsNull() const { return AsNode(node_).is_null(); }
bool Value::IsObject() const { return AsNode(node_).is_object(); }
bool Value::IsArray() const { return AsNode(node_).is_array(); }
bool Value::IsString() const { return AsNode(node_).is_string(); }

absl::Status Value::Error(absl::string_view message) const {
  return absl::InvalidArgumentError(absl::StrCat(path_, ": ", message));
}

absl::Status Value::Expected(absl::string_view type) const {
  return Error(
      absl::StrCat("expected ", type, ", found ", TypeName(AsNode(node_))));
}

absl::StatusOr<std::string> Value::String() const {
  const Node& node = AsNode(node_);
  if (!node.is_string()) return Expected("a string");
  return node.get_ref<const std::string&>();
}

absl::StatusOr<int64_t> Value::Int() const {
  const Node& node = AsNode(node_);
  if (node.is_number_unsigned()) {
    const uint64_t number = node.get<uint64_t>();
    if (number > static_cast<uint64_t>(INT64_MAX)) {
      return Error("the number does not fit into 64 bits");
    }
    return static_cast<int64_t>(number);
  }
  if (!node.is_number_integer()) return Expected("an integer");
  return node.get<int64_t>();
}

absl::StatusOr<double> Value::Number() const {
  const Node& node = AsNode(node_);
  if (!node.is_number()) return Expected("a number");
  return node.get<double>();
}

absl::StatusOr<bool> Value::Bool() const {
  const Node& node = AsNode(node_);
  if (!node.is_boolean()) return Expected("a boolean");
  return node.get<bool>();
}

absl::StatusOr<std::vector<Value>> Value::Array() const {
  const Node& node = AsNode(node_);
  if (!node.is_array()) return Expected("an array");
  std::vector<Value> out;
  out.reserve(node.size());
  for (const Node& item : node) {
    out.push_back(
        Value(document_, &item, absl::StrCat(path_, "[", out.size(), "]")));
  }
  return out;
}

absl::StatusOr<std::vector<std::pair<std::string, Value>>> Value::Members()
    const {
  const Node& node = AsNode(node_);
  if (!node.is_object()) return Expected("an object");
  std::vector<std::pair<std::string, Value>> out;
  out.reserve(node.size());
  for (auto it = node.begin(); it != node.end(); ++it) {
    out.emplace_back(it.key(), Value(document_, &it.value(),
                                     absl::StrCat(path_, ": ", it.key())));
  }
  return out;
}

std::optional<Value> Value::Find(absl::string_view key) const {
  const Node& node = AsNode(node_);
  if (!node.is_object()) return std::nullopt;
  auto it = node.find(std::string(key));
  if (it == node.end() || it->is_null()) return std::nullopt;
  return Value(document_, &*it, absl::StrCat(path_, ": ", key));
}

absl::StatusOr<std::string> Value::StringField(absl::string_view key,
                                               absl::string_view def) const {
  std::optional<Value> field = Find(key);
  if (!field) return std::string(def);
  return field->String();
}

absl::StatusOr<int64_t> Value::IntField(absl::string_view key,
                                        int64_t def) const {
  std::optional<Value> field = Find(key);
  if (!field) return def;
  return field->Int();
}

absl::StatusOr<bool> Value::BoolField(absl::string_view key, bool def) const {
  std::optional<Value> field = Find(key);
  if (!field) return def;
  return field->Bool();
}

absl::StatusOr<std::vector<Value>> Value::ArrayField(
    absl::string_view key) const {
  std::optional<Value> field = Find(key);
  if (!field) return std::vector<Value>();
  return field->Array();
}

absl::StatusOr<std::vector<std::string>> Value::StringListField(
    absl::string_view key) const {
  ASSIGN_OR_RETURN(std::vector<Value> items, ArrayField(key));
  std::vector<std::string> out;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(std::string text, item.String());
    out.push_back(std::move(text));
  }
  return out;
}

absl::StatusOr<std::map<std::string, std::string>> Value::StringMapField(
    absl::string_view key) const {
  std::map<std::string, std::string> out;
  std::optional<Value> field = Find(key);
  if (!field) return out;
  ASSIGN_OR_RETURN(auto members, field->Members());
  for (const auto& [name, value] : members) {
    ASSIGN_OR_RETURN(std::string text, value.String());
    out[name] = std::move(text);
  }
  return out;
}

absl::StatusOr<std::vector<std::string>> Value::KeysField(
    absl::string_view key) const {
  std::vector<std::string> out;
  std::optional<Value> field = Find(key);
  if (!field) return out;
  ASSIGN_OR_RETURN(auto members, field->Members());
  for (const auto& member : members) out.push_back(member.first);
  return out;
}

std::string Value::Dump() const { return Dumped(AsNode(node_)); }

std::string Quote(absl::string_view text) {
  return Dumped(Node(std::string(text)));
}

}  // namespace gantry::json
