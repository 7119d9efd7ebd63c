#include "runtime/plan/paths.h"

#include <limits.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"

namespace gantry::plan {

absl::Status CheckNoNul(absl::string_view text, absl::string_view field) {
  if (text.find('\0') == absl::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": has a zero byte: \"",
                   text.substr(0, text.find('\0')), "\\0...\""));
}

absl::StatusOr<std::string> CleanAbsolutePath(absl::string_view path,
                                              absl::string_view field) {
  RETURN_IF_ERROR(CheckNoNul(path, field));
  if (path.empty() || path[0] != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": \"", path, "\" is not an absolute path"));
  }
  if (path.size() >= PATH_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": path of ", path.size(), " bytes is too long"));
  }
  std::vector<absl::string_view> kept;
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  return absl::StrCat("/", absl::StrJoin(kept, "/"));
}

int PathDepth(absl::string_view clean_path) {
  if (clean_path == "/") return 0;
  return std::count(clean_path.begin(), clean_path.end(), '/');
}

bool IsBelowOrEqual(absl::string_view clean_path, absl::string_view parent) {
  if (parent == "/") return true;
  return absl::ConsumePrefix(&clean_path, parent) &&
         (clean_path.empty() || clean_path[0] == '/');
}

}  // namespace gantry::plan
