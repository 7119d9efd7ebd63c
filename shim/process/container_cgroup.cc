#include "shim/process/container_cgroup.h"

#include <fcntl.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/device_rules.h"
#include "runtime/cgroup/spec_resources.h"
#include "runtime/sys/file.h"

namespace gantry::shim {
namespace {

constexpr std::chrono::milliseconds kRemovePatience{2000};

std::vector<cgroup::DeviceRule> DeviceRulesOf(const plan::CgroupPlan& plan) {
  std::vector<cgroup::DeviceRule> rules;
  for (const spec::DeviceRule& rule : plan.device_rules()) {
    cgroup::DeviceRule& out = rules.emplace_back();
    out.allow = rule.allow();
    out.type = rule.type().empty() ? 'a' : rule.type()[0];
    if (rule.has_major()) out.major = rule.major();
    if (rule.has_minor()) out.minor = rule.minor();
    if (!rule.access().empty()) out.access = rule.access();
  }
  return rules;
}

}  // namespace

absl::StatusOr<cgroup::Layout> LayoutOf(const plan::CgroupPlan& plan) {
  cgroup::Layout layout;
  for (const plan::CgroupHierarchy& hierarchy : plan.hierarchies()) {
    cgroup::Hierarchy& out = layout.hierarchies.emplace_back();
    out.version =
        hierarchy.unified() ? cgroup::Version::kV2 : cgroup::Version::kV1;
    out.mount_path = hierarchy.mount_path();
    out.controllers.assign(hierarchy.controllers().begin(),
                           hierarchy.controllers().end());
    if (!hierarchy.unified() || !out.controllers.empty()) continue;
    ASSIGN_OR_RETURN(
        std::string offered,
        sys::ReadFileAt(AT_FDCWD,
                        absl::StrCat(out.mount_path, "/cgroup.controllers")));
    out.controllers = absl::StrSplit(absl::StripAsciiWhitespace(offered), ' ',
                                     absl::SkipEmpty());
  }
  if (layout.hierarchies.empty()) {
    return absl::InvalidArgumentError("the plan names no cgroup hierarchy");
  }
  return layout;
}

absl::StatusOr<std::unique_ptr<ContainerCgroup>> ContainerCgroup::Open(
    const plan::CgroupPlan& plan) {
  ASSIGN_OR_RETURN(cgroup::Layout layout, LayoutOf(plan));
  ASSIGN_OR_RETURN(cgroup::Hierarchies opened,
                   cgroup::Hierarchies::Open(std::move(layout)));
  auto hierarchies = std::make_unique<cgroup::Hierarchies>(std::move(opened));
  ASSIGN_OR_RETURN(cgroup::Manager manager,
                   cgroup::Manager::For(*hierarchies, plan.path()));
  return std::unique_ptr<ContainerCgroup>(
      new ContainerCgroup(std::move(hierarchies), std::move(manager)));
}

absl::Status ContainerCgroup::Create(const plan::CgroupPlan& plan) const {
  RETURN_IF_ERROR(manager_.Create());
  absl::Status status = manager_.Apply(cgroup::ResourcesOf(plan.resources()));
  if (status.ok() && plan.device_rules_size() > 0) {
    status = manager_.SetDevices(DeviceRulesOf(plan));
  }
  if (!status.ok()) manager_.Remove(kRemovePatience).IgnoreError();
  return status;
}

absl::Status ContainerCgroup::Destroy() const {
  const absl::Status killed = manager_.Kill();
  const absl::Status removed = manager_.Remove(kRemovePatience);
  return removed.ok() ? removed : Annotate(removed, killed.message());
}

}  // namespace gantry::shim
