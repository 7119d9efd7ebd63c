// Writes small JSON objects for people: the verbose `info` of statuses.
//
// Thread safety: none. Never blocks.

#ifndef GANTRY_SERVER_CRI_JSON_OBJECT_H_
#define GANTRY_SERVER_CRI_JSON_OBJECT_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/json_util.h"
#include "runtime/json/json.h"

namespace gantry::cri {

class JsonObject {
 public:
  JsonObject& Text(absl::string_view key, absl::string_view value) {
    return Raw(key, json::Quote(value));
  }
  JsonObject& Number(absl::string_view key, int64_t value) {
    return Raw(key, absl::StrCat(value));
  }
  JsonObject& Flag(absl::string_view key, bool value) {
    return Raw(key, value ? "true" : "false");
  }
  // Any range of strings.
  template <typename List>
  JsonObject& Texts(absl::string_view key, const List& list) {
    std::string array;
    for (const auto& text : list) {
      absl::StrAppend(&array, array.empty() ? "" : ",", json::Quote(text));
    }
    return Raw(key, absl::StrCat("[", array, "]"));
  }
  // A value that is JSON already.
  JsonObject& Raw(absl::string_view key, absl::string_view json) {
    absl::StrAppend(&members_, members_.empty() ? "" : ",", json::Quote(key),
                    ":", json);
    return *this;
  }

  std::string Finish() const { return absl::StrCat("{", members_, "}"); }

 private:
  std::string members_;
};

// A message with the names of its proto file.
inline std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options)
           .ok()) {
    return "null";
  }
  return json;
}

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_JSON_OBJECT_H_
