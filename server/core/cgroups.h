// The cgroups of pods and containers, whoever keeps them: this server alone
// (driver "cgroupfs": directories), or systemd with it (driver "systemd": a
// slice for each pod, a scope for each container). Which it is the path tells,
// so that pods outlive a change of the driver.
//
// Thread safety: any thread; the caller holds the pod's lock. All but the paths
// block for cgroupfs and for systemd: call them through OnCgroup.

#ifndef GANTRY_SERVER_CORE_CGROUPS_H_
#define GANTRY_SERVER_CORE_CGROUPS_H_

#include <sys/types.h>

#include <chrono>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/record.pb.h"
#include "server/core/node.h"
#include "server/work/executor.h"
#include "server/work/task.h"

namespace gantry::core {

// Where a new pod's cgroup shall be. `parent`: as PodRequest::cgroup_parent.
std::string PodCgroupPath(const Node& node, absl::string_view parent,
                          absl::string_view id);

// A container's in the pod's; and the pod's of a container's.
std::string ContainerCgroupPath(absl::string_view pod_path,
                                absl::string_view id);
std::string PodCgroupOf(absl::string_view container_path);

// Whether a shim has to be placed before it may make this container's cgroup.
bool NeedsPlacement(absl::string_view container_path);

// Whether systemd is asked for what is done to this cgroup.
bool IsKeptBySystemd(const Node& node, absl::string_view path);

// Does `work` to the cgroup `path`. Where systemd is asked, which takes
// milliseconds, on the blocking executor; else, for microseconds, right here:
// pods do not wait behind the pulls there. `work` captures by reference.
template <typename F>
work::Task<absl::Status> OnCgroup(Node& node, const std::string& path, F work) {
  if (!IsKeptBySystemd(node, path)) co_return work();
  co_return co_await work::RunOn(node.blocking_executor, node.executor,
                                 std::move(work));
}

// The pod's cgroup, without limits; one that is there is taken as it is.
absl::Status MakePodCgroup(Node& node, const record::PodRecord& pod);

// Makes the container's scope with its shim in it, which goes to a cgroup of
// its own there: the container's limits are not the shim's.
work::Task<absl::Status> PlaceShim(Node& node,
                                   record::ContainerRecord container,
                                   pid_t shim);

// Kills what runs in the cgroup of a pod or container: with its shims, where
// they are in it.
absl::Status KillAllIn(Node& node, const std::string& path);

// Removes the cgroup of a pod or container and the unit it belongs to. What
// there is not is OK.
absl::Status RemoveCgroup(Node& node, const std::string& path,
                          std::chrono::milliseconds patience);

// At the server's start: ends units of this server's whose pod or container
// there is no record of.
work::Task<void> SweepUnits(Node& node);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_CGROUPS_H_
