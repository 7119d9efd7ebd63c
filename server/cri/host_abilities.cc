#include "server/cri/host_abilities.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/cri/check.h"

namespace gantry::cri {

absl::Status CheckRuntimeHandler(absl::string_view field,
                                 absl::string_view name,
                                 const HostAbilities& host) {
  const std::vector<std::string>& known = host.runtime_handlers;
  if (name.empty() || std::count(known.begin(), known.end(), name) != 0) {
    return absl::OkStatus();
  }
  std::string expected = "\"\"";
  for (const std::string& handler : known) {
    absl::StrAppend(&expected, " or \"", handler, "\"");
  }
  return BadValue(field, absl::StrCat("a runtime handler: ", expected), name);
}

}  // namespace gantry::cri
