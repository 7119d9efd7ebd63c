// Who keeps the cgroups of pods and containers: this server alone, or systemd
// with it.
//
// Pure, but for HasSystemd, which looks at a directory.

#ifndef GANTRY_SERVER_CGROUP_DRIVER_H_
#define GANTRY_SERVER_CGROUP_DRIVER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::server {

struct CgroupDriver {
  bool systemd = false;
  // Why it is that one, for people.
  std::string reason;

  // As the configuration spells it.
  absl::string_view name() const { return systemd ? "systemd" : "cgroupfs"; }
};

// Whether systemd is this machine's init: sd_booted(3).
bool HasSystemd(int rootfd);

// `wanted`: "auto", "systemd" or "cgroupfs". `cgroup_mode`: cgroup::ModeName.
// `version`: what systemd said, or why it could not be asked.
// FAILED_PRECONDITION if it shall be systemd and cannot.
absl::StatusOr<CgroupDriver> ChooseCgroupDriver(
    absl::string_view wanted, absl::string_view cgroup_mode,
    const absl::StatusOr<std::string>& version);

}  // namespace gantry::server

#endif  // GANTRY_SERVER_CGROUP_DRIVER_H_
