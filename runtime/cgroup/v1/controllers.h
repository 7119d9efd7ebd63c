// Limits as writes to cgroup v1 control files, one function per controller.
//
// Pure: nothing is read or written. Each gives an empty list if its part of
// `resources` is unset, and INVALID_ARGUMENT for values that can't be meant.
// Source: Documentation/admin-guide/cgroup-v1/{memory,hugetlb,pids,
// blkio-controller,cpusets,net_cls,net_prio}.rst, Documentation/scheduler/
// sched-bwc.rst.

#ifndef GANTRY_RUNTIME_CGROUP_V1_CONTROLLERS_H_
#define GANTRY_RUNTIME_CGROUP_V1_CONTROLLERS_H_

#include "absl/status/statusor.h"
#include "runtime/cgroup/current_limits.h"
#include "runtime/cgroup/file_write.h"
#include "runtime/cgroup/resources.h"

namespace gantry::cgroup::v1 {

// The kernel holds memory.limit <= memory.memsw.limit at every moment, so the
// order of the writes depends on `now`.
absl::StatusOr<Writes> MemoryWrites(const Resources& resources,
                                    const CurrentLimits& now);
// A period can't be changed under a quota that its parent would then forbid:
// the quota in force is lifted first.
absl::StatusOr<Writes> CpuWrites(const Resources& resources,
                                 const CurrentLimits& now);
absl::StatusOr<Writes> CpusetWrites(const Resources& resources);
absl::StatusOr<Writes> PidsWrites(const Resources& resources);
absl::StatusOr<Writes> HugetlbWrites(const Resources& resources);
absl::StatusOr<Writes> BlkioWrites(const Resources& resources);
Writes NetClsWrites(const Resources& resources);
absl::StatusOr<Writes> NetPrioWrites(const Resources& resources);

}  // namespace gantry::cgroup::v1

#endif  // GANTRY_RUNTIME_CGROUP_V1_CONTROLLERS_H_
