// A device policy as a BPF program of type BPF_PROG_TYPE_CGROUP_DEVICE.
//
// Pure: gives instructions, loads nothing (device_attach.h does). The program
// gets a struct bpf_cgroup_dev_ctx {access_type, major, minor} and answers 1
// for "allowed" and 0 for "denied" (linux/bpf.h).

#ifndef GANTRY_RUNTIME_CGROUP_V2_DEVICE_PROGRAM_H_
#define GANTRY_RUNTIME_CGROUP_V2_DEVICE_PROGRAM_H_

#include <linux/bpf.h>

#include <vector>

#include "runtime/cgroup/device_rules.h"

namespace gantry::cgroup::v2 {

std::vector<bpf_insn> DeviceProgram(const DevicePolicy& policy);

}  // namespace gantry::cgroup::v2

#endif  // GANTRY_RUNTIME_CGROUP_V2_DEVICE_PROGRAM_H_
