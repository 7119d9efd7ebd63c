#include "server/cgroup_driver.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runtime/sys/file.h"

namespace gantry::server {
namespace {

// The first with AllowedCPUs=.
constexpr int kOldestSystemd = 244;

// Empty if systemd can keep cgroups here; else why not.
std::string WhyNotSystemd(absl::string_view cgroup_mode,
                          const absl::StatusOr<std::string>& version) {
  if (!version.ok()) return std::string(version.status().message());
  if (cgroup_mode != "v2") {
    return absl::StrCat("cgroups are ", cgroup_mode, ", not v2 alone");
  }
  size_t digits = 0;
  while (digits < version->size() && absl::ascii_isdigit((*version)[digits])) {
    ++digits;
  }
  int number = 0;
  if (!absl::SimpleAtoi(version->substr(0, digits), &number) ||
      number < kOldestSystemd) {
    return absl::StrCat("systemd is ", *version, ", older than ",
                        kOldestSystemd);
  }
  return "";
}

}  // namespace

bool HasSystemd(int rootfd) {
  return sys::ExistsAt(rootfd, "run/systemd/system");
}

absl::StatusOr<CgroupDriver> ChooseCgroupDriver(
    absl::string_view wanted, absl::string_view cgroup_mode,
    const absl::StatusOr<std::string>& version) {
  if (wanted == "cgroupfs") return CgroupDriver{false, "as configured"};
  const std::string why_not = WhyNotSystemd(cgroup_mode, version);
  if (wanted == "systemd") {
    if (why_not.empty()) {
      return CgroupDriver{true,
                          absl::StrCat("as configured; systemd is ", *version)};
    }
    return absl::FailedPreconditionError(
        absl::StrCat("cgroup_driver systemd: ", why_not));
  }
  if (!why_not.empty()) return CgroupDriver{false, why_not};
  return CgroupDriver{true, absl::StrCat("systemd ", *version,
                                         " is init, cgroups are v2 alone")};
}

}  // namespace gantry::server
