// Puts a device policy on a cgroup2 directory, as a BPF program.
//
// Thread safety: reentrant; one caller at a time per cgroup. Blocks only for
// bpf(2). Needs CAP_BPF or CAP_SYS_ADMIN, and CONFIG_CGROUP_BPF.

#ifndef GANTRY_RUNTIME_CGROUP_V2_DEVICE_ATTACH_H_
#define GANTRY_RUNTIME_CGROUP_V2_DEVICE_ATTACH_H_

#include "absl/status/status.h"
#include "runtime/cgroup/device_rules.h"

namespace gantry::cgroup::v2 {

// Attaches the policy's program to the cgroup of `cgroup_fd` (any open fd of
// its directory but an O_PATH one), then detaches those that were on it before.
// While both are there an access needs the consent of both, so there is no gap.
// A policy that allows all takes the programs off and attaches none. After an
// error the old programs still hold. The program lives as long as the cgroup.
absl::Status AttachDevicePolicy(int cgroup_fd, const DevicePolicy& policy);

}  // namespace gantry::cgroup::v2

#endif  // GANTRY_RUNTIME_CGROUP_V2_DEVICE_ATTACH_H_
