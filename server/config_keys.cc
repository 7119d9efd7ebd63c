#include "server/config_keys.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"

namespace gantry::server {

using conf::Bad;
using conf::Table;
using conf::Where;

absl::Status CheckPath(const Where& where, const std::string& path) {
  auto bad = [&](absl::string_view expected) {
    return Bad(where,
               absl::StrCat("expected ", expected, ", found \"", path, "\""));
  };
  if (path.empty() || path[0] != '/') return bad("an absolute path");
  if (path.find('\0') != std::string::npos) {
    return Bad(where, "expected a path without zero bytes");
  }
  if (path.size() == 1) return bad("a directory of gantryd's own");
  for (absl::string_view part : absl::StrSplit(path.substr(1), '/')) {
    if (part.empty() || part == "." || part == "..") {
      return bad("a path without \"..\", \".\" and empty parts");
    }
  }
  return absl::OkStatus();
}

absl::Status TakeSeconds(Table& table, absl::string_view key,
                         absl::Duration& time) {
  int seconds = static_cast<int>(absl::ToInt64Seconds(time));
  RETURN_IF_ERROR(table.Take(key, 1, 3600, seconds));
  time = absl::Seconds(seconds);
  return absl::OkStatus();
}

}  // namespace gantry::server
