#include "tools/ctl/info_json.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"
#include "runtime/json/json.h"
#include "tools/ctl/format.h"

namespace gantry::ctl {

namespace {

// The entry as a member of a JSON object.
std::string Member(const std::string& name, const std::string& text) {
  const absl::StatusOr<json::Value> value = json::Value::Parse(text, name);
  const bool structured = value.ok() && (value->IsObject() || value->IsArray());
  return absl::StrCat(json::Quote(name), ":",
                      structured ? text : json::Quote(text));
}

}  // namespace

absl::Status PrintMerged(Context& context,
                         const google::protobuf::Message& without_info,
                         const Info& info) {
  ASSIGN_OR_RETURN(std::string text, ToJson(without_info));
  ASSIGN_OR_RETURN(json::Value document, json::Value::Parse(text, "answer"));
  ASSIGN_OR_RETURN(auto members, document.Members());
  std::map<std::string, std::string> entries(info.begin(), info.end());
  std::vector<std::string> merged;
  for (const auto& [name, value] : members) {
    if (name == "info") continue;
    merged.push_back(absl::StrCat(json::Quote(name), ":", value.Dump()));
    auto entry = entries.extract(name);
    if (entry.empty()) continue;
    entry.key() = absl::StrCat("info.", name);
    entries.insert(std::move(entry));
  }
  for (const auto& [name, text] : entries) {
    merged.push_back(Member(name, text));
  }
  context.out << PrettyJson(absl::StrCat("{", absl::StrJoin(merged, ","), "}"))
              << '\n';
  return absl::OkStatus();
}

}  // namespace gantry::ctl
