// A device policy as writes to the v1 devices controller.
//
// Pure. Source: Documentation/admin-guide/cgroup-v1/devices.rst.

#ifndef GANTRY_RUNTIME_CGROUP_V1_DEVICES_H_
#define GANTRY_RUNTIME_CGROUP_V1_DEVICES_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/cgroup/device_rules.h"
#include "runtime/cgroup/file_write.h"

namespace gantry::cgroup::v1 {

// The text of devices.list. Of a cgroup that allows by default the kernel does
// not show the exceptions, so there are none in the answer. INTERNAL for text
// of another form.
absl::StatusOr<DevicePolicy> ParseDevicesList(absl::string_view text);

// The writes that lead from `now` (as parsed) to `wanted`. Rights that go are
// taken before new ones are given. Only the step from "deny by default" to
// "allow but for ..." allows more in between; the kernel has no other way.
Writes DeviceWrites(const DevicePolicy& now, const DevicePolicy& wanted);

}  // namespace gantry::cgroup::v1

#endif  // GANTRY_RUNTIME_CGROUP_V1_DEVICES_H_
