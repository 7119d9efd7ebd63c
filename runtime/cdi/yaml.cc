#include "runtime/cdi/yaml.h"

#include <yaml.h>

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/json/json.h"

namespace gantry::cdi {
namespace {

constexpr size_t kMaxDepth = 32;

absl::string_view Text(const yaml_event_t& event) {
  return {reinterpret_cast<const char*>(event.data.scalar.value),
          event.data.scalar.length};
}

bool IsNull(const yaml_event_t& event) {
  const absl::string_view text = Text(event);
  return event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
         (text.empty() || text == "~" || text == "null" || text == "Null" ||
          text == "NULL");
}

// Writes JSON as the events come.
class Writer {
 public:
  // What is wrong with the event, or null.
  const char* Take(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        return ++documents_ > 1 ? "a second document" : nullptr;
      case YAML_ALIAS_EVENT:
        return "an alias";
      case YAML_SCALAR_EVENT:
        return Scalar(event);
      case YAML_MAPPING_START_EVENT:
        if (event.data.mapping_start.tag != nullptr) return "a tag";
        return Open('{');
      case YAML_SEQUENCE_START_EVENT:
        if (event.data.sequence_start.tag != nullptr) return "a tag";
        return Open('[');
      case YAML_MAPPING_END_EVENT:
        return Close('}');
      case YAML_SEQUENCE_END_EVENT:
        return Close(']');
      default:
        return nullptr;
    }
  }

  std::string Finish() { return json_.empty() ? "null" : std::move(json_); }

 private:
  struct Frame {
    bool mapping;
    size_t items = 0;
  };

  bool AtKey() const {
    return !open_.empty() && open_.back().mapping &&
           open_.back().items % 2 == 0;
  }

  void Separate() {
    if (open_.empty()) return;
    Frame& frame = open_.back();
    if (frame.items > 0) json_ += frame.mapping && frame.items % 2 ? ':' : ',';
    ++frame.items;
  }

  const char* Scalar(const yaml_event_t& event) {
    if (event.data.scalar.tag != nullptr) return "a tag";
    const bool key = AtKey();
    Separate();
    if (!key && IsNull(event)) {
      json_ += "null";
    } else {
      json_ += json::Quote(Text(event));
    }
    return nullptr;
  }

  const char* Open(char bracket) {
    if (AtKey()) return "a key that is no scalar";
    if (open_.size() >= kMaxDepth) return "too deep a nesting";
    Separate();
    json_ += bracket;
    open_.push_back({bracket == '{'});
    return nullptr;
  }

  const char* Close(char bracket) {
    open_.pop_back();
    json_ += bracket;
    return nullptr;
  }

  std::string json_;
  std::vector<Frame> open_;
  int documents_ = 0;
};

class Parser {
 public:
  explicit Parser(absl::string_view text) {
    ready_ = yaml_parser_initialize(&parser_) == 1;
    if (ready_) {
      yaml_parser_set_input_string(
          &parser_, reinterpret_cast<const unsigned char*>(text.data()),
          text.size());
    }
  }
  ~Parser() {
    if (ready_) yaml_parser_delete(&parser_);
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  bool Next(yaml_event_t& event) {
    return ready_ && yaml_parser_parse(&parser_, &event) == 1;
  }
  const char* problem() const {
    return ready_ && parser_.problem != nullptr ? parser_.problem : "no memory";
  }
  size_t line() const { return ready_ ? parser_.problem_mark.line + 1 : 0; }

 private:
  yaml_parser_t parser_;
  bool ready_ = false;
};

absl::Status BadYaml(absl::string_view what, size_t line,
                     absl::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, ":", line, ": not taken as YAML: ", problem));
}

}  // namespace

absl::StatusOr<std::string> YamlToJson(absl::string_view text,
                                       absl::string_view what) {
  Parser parser(text);
  Writer writer;
  for (bool end = false; !end;) {
    yaml_event_t event;
    if (!parser.Next(event)) {
      return BadYaml(what, parser.line(), parser.problem());
    }
    end = event.type == YAML_STREAM_END_EVENT;
    const char* wrong = writer.Take(event);
    const size_t line = event.start_mark.line + 1;
    yaml_event_delete(&event);
    if (wrong != nullptr) return BadYaml(what, line, wrong);
  }
  return writer.Finish();
}

}  // namespace gantry::cdi
