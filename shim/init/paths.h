// Masked and read-only paths.
//
// Thread safety: changes the calling process's mount namespace. To be called
// before EnterRoot: the null device that masks files is the host's.

#ifndef GANTRY_SHIM_INIT_PATHS_H_
#define GANTRY_SHIM_INIT_PATHS_H_

#include "absl/status/status.h"
#include "proto/plan.pb.h"

namespace gantry::init {

// Covers files with `null` (a verified null device, never the container's own
// /dev/null: CVE-2025-31133) and directories with an empty read-only tmpfs.
// What does not exist is skipped.
absl::Status MaskPaths(const plan::InitPlan& plan, int root, int null);

// Makes paths, with all mounts below them, read-only. What does not exist is
// skipped.
absl::Status ProtectPaths(const plan::InitPlan& plan, int root);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_PATHS_H_
