// The container's cgroup, made and configured as the plan says.
//
// Ownership: holds the opened hierarchies that its Manager refers to. Thread
// safety: as cgroup::Manager. Blocks as cgroup::Manager does. Errors: of
// cgroup::Manager, and INVALID_ARGUMENT for a plan that names no hierarchy.

#ifndef GANTRY_SHIM_PROCESS_CONTAINER_CGROUP_H_
#define GANTRY_SHIM_PROCESS_CONTAINER_CGROUP_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/plan.pb.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/cgroup/layout.h"

namespace gantry::shim {

// The plan's hierarchies. What a unified one offers is read from its mount if
// the plan doesn't say.
absl::StatusOr<cgroup::Layout> LayoutOf(const plan::CgroupPlan& plan);

class ContainerCgroup {
 public:
  // Opens the hierarchies; makes nothing.
  static absl::StatusOr<std::unique_ptr<ContainerCgroup>> Open(
      const plan::CgroupPlan& plan);

  // Makes the cgroup and sets limits and device rules. On failure it is
  // removed again.
  absl::Status Create(const plan::CgroupPlan& plan) const;

  const cgroup::Manager& manager() const { return manager_; }

  // Kills what runs in it and removes it, within bounds.
  absl::Status Destroy() const;

 private:
  ContainerCgroup(std::unique_ptr<cgroup::Hierarchies> hierarchies,
                  cgroup::Manager manager)
      : hierarchies_(std::move(hierarchies)), manager_(std::move(manager)) {}

  std::unique_ptr<cgroup::Hierarchies> hierarchies_;
  cgroup::Manager manager_;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PROCESS_CONTAINER_CGROUP_H_
