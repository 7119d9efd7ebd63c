// Device nodes and symlinks below the rootfs.
//
// Thread safety: plain system calls. To be called while the host's tree is
// still there: where nodes may not be made the host's are bound.

#ifndef GANTRY_SHIM_INIT_DEVICES_H_
#define GANTRY_SHIM_INIT_DEVICES_H_

#include "absl/status/status.h"
#include "proto/plan.pb.h"

namespace gantry::init {

absl::Status MakeDevices(const plan::InitPlan& plan, int root);

absl::Status MakeSymlinks(const plan::InitPlan& plan, int root);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_DEVICES_H_
