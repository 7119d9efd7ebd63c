// Paths of procfs and sysfs that an unprivileged container must not see or
// change.
//
// Thread safety: pure functions.

#ifndef GANTRY_RUNTIME_PLAN_MASKS_H_
#define GANTRY_RUNTIME_PLAN_MASKS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/plan.pb.h"
#include "proto/spec.pb.h"

namespace gantry::plan {

// containerd's list: what tells of the host (kcore, keys, timer_list, ...) or
// leaks through side channels (powercap, interrupts).
std::vector<std::string> DefaultMaskedPaths();

// What steers the host: /proc/sys, /proc/sysrq-trigger, ...
std::vector<std::string> DefaultReadonlyPaths();

// Sets masked_paths and readonly_paths: nothing for privileged containers; the
// defaults where the client gave none, for CRI cannot tell "none" from "not
// said" and containerd reads it likewise. A relative path is INVALID_ARGUMENT.
absl::Status PlanMasks(const spec::Security& security, InitPlan& init);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_MASKS_H_
