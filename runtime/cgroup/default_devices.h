// The devices that every container may use, as data.
//
// Making any device node is allowed (it gives no access to the device); use of
// the nodes below is what runtime-spec config-linux.md ("default devices") and
// the pts of the container need. Numbers: Documentation/admin-guide/
// devices.txt.

#ifndef GANTRY_RUNTIME_CGROUP_DEFAULT_DEVICES_H_
#define GANTRY_RUNTIME_CGROUP_DEFAULT_DEVICES_H_

#include <vector>

#include "runtime/cgroup/device_rules.h"

namespace gantry::cgroup {

// To be followed by the container's own rules.
inline std::vector<DeviceRule> DefaultDeviceRules() {
  return {
      {true, 'c', std::nullopt, std::nullopt, "m"},
      {true, 'b', std::nullopt, std::nullopt, "m"},
      {true, 'c', 1, 3, "rwm"},               // /dev/null
      {true, 'c', 1, 5, "rwm"},               // /dev/zero
      {true, 'c', 1, 7, "rwm"},               // /dev/full
      {true, 'c', 1, 8, "rwm"},               // /dev/random
      {true, 'c', 1, 9, "rwm"},               // /dev/urandom
      {true, 'c', 5, 0, "rwm"},               // /dev/tty
      {true, 'c', 5, 2, "rwm"},               // /dev/ptmx
      {true, 'c', 136, std::nullopt, "rwm"},  // /dev/pts/*
  };
}

// What a privileged container gets: every device.
inline std::vector<DeviceRule> AllDeviceRules() {
  return {{true, 'a', std::nullopt, std::nullopt, "rwm"}};
}

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_DEFAULT_DEVICES_H_
