#include "tools/ctl/info_json.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/ctl/format.h"

namespace gantry::ctl {

std::string InfoJson(const Info& info) {
  const std::map<std::string, std::string> sorted(info.begin(), info.end());
  std::string members;
  for (const auto& [key, text] : sorted) {
    const absl::StatusOr<json::Value> value = json::Value::Parse(text, key);
    const bool structured =
        value.ok() && (value->IsObject() || value->IsArray());
    absl::StrAppend(&members, members.empty() ? "" : ",", json::Quote(key), ":",
                    structured ? text : json::Quote(text));
  }
  return absl::StrCat("{", members, "}");
}

absl::Status PrintMerged(Context& context,
                         const google::protobuf::Message& without_info,
                         const Info& info) {
  ASSIGN_OR_RETURN(std::string text, ToJson(without_info));
  ASSIGN_OR_RETURN(json::Value document, json::Value::Parse(text, "answer"));
  ASSIGN_OR_RETURN(auto members, document.Members());
  std::string merged;
  for (const auto& [name, value] : members) {
    if (name == "info") continue;
    absl::StrAppend(&merged, json::Quote(name), ":", value.Dump(), ",");
  }
  context.out << PrettyJson(absl::StrCat("{", merged,
                                         "\"info\":", InfoJson(info), "}"))
              << '\n';
  return absl::OkStatus();
}

}  // namespace gantry::ctl
