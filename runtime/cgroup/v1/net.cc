#include "absl/strings/str_cat.h"
#include "runtime/cgroup/v1/controllers.h"

namespace gantry::cgroup::v1 {

Writes NetClsWrites(const Resources& resources) {
  if (!resources.net_cls_classid.has_value()) return {};
  return {{"net_cls.classid", absl::StrCat(*resources.net_cls_classid)}};
}

absl::StatusOr<Writes> NetPrioWrites(const Resources& resources) {
  Writes writes;
  for (const InterfacePriority& entry : resources.net_prio) {
    const std::string& name = entry.interface_name;
    // IFNAMSIZ is 16 with the final zero byte.
    if (name.empty() || name.size() > 15 ||
        name.find_first_of(" \t\n/") != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("net_prio interface \"", name, "\": no such name"));
    }
    writes.push_back({"net_prio.ifpriomap",
                      absl::StrCat(name, " ", entry.priority), IfMissing::kFail,
                      absl::StrCat(name, " 0")});
  }
  return writes;
}

}  // namespace gantry::cgroup::v1
