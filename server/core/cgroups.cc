#include "server/core/cgroups.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/spec_resources.h"
#include "runtime/cgroup/subgroup.h"
#include "runtime/cgroup/systemd/properties.h"
#include "runtime/cgroup/systemd/unit_names.h"
#include "runtime/cgroup/systemd/units.h"

namespace gantry::core {
namespace {

namespace systemd = cgroup::systemd;

absl::StatusOr<bool> HasProcess(const Node& node, const std::string& path,
                                pid_t pid) {
  ASSIGN_OR_RETURN(cgroup::Manager cgroup,
                   cgroup::Manager::For(node.cgroups, path));
  ASSIGN_OR_RETURN(std::vector<pid_t> pids, cgroup.Processes(true));
  return std::binary_search(pids.begin(), pids.end(), pid);
}

absl::Status MakeScope(Node& node, const record::ContainerRecord& container,
                       pid_t shim) {
  const std::string& path = container.spec().cgroup_path();
  const std::optional<systemd::Unit> unit = systemd::UnitOf(path);
  if (!unit.has_value() || node.units == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cgroup ", path, " is systemd's, which this server does not use now"));
  }
  ASSIGN_OR_RETURN(systemd::Properties limits,
                   systemd::LimitProperties(
                       cgroup::ResourcesOf(container.spec().resources()),
                       systemd::Holder::kScope));
  RETURN_IF_ERROR(node.units->MakeScope(
      *unit, container.id(), shim, limits, [&node, &unit, shim] {
        return HasProcess(node, unit->path, shim).value_or(false);
      }));
  // Systemd's cgroups may not be the ones that are seen here.
  ASSIGN_OR_RETURN(const bool placed, HasProcess(node, unit->path, shim));
  if (!placed) {
    return absl::FailedPreconditionError(
        absl::StrCat("systemd has made unit ", unit->name, ", but process ",
                     shim, " is not in cgroup ", unit->path));
  }
  // Without controllers: a cgroup that has processes must not hand any down
  // (it would become a threaded one). The shim enables them once it has left.
  ASSIGN_OR_RETURN(cgroup::Manager scope,
                   cgroup::Manager::For(node.cgroups, unit->path));
  ASSIGN_OR_RETURN(cgroup::Subgroup leaf,
                   scope.MakeSubgroup(systemd::kShimGroup));
  return leaf.AddProcess(shim);
}

// What goes as one: a unit's cgroup, or that of the path alone.
std::string WholeOf(const std::string& path) {
  const std::optional<systemd::Unit> unit = systemd::UnitOf(path);
  return unit.has_value() ? unit->path : path;
}

absl::Status EndUnit(Node& node, const systemd::OwnUnit& unit) {
  LOG(WARNING) << "unit " << unit.name << " has no record: it is ended";
  return node.units->End(unit.name);
}

}  // namespace

std::string PodCgroupPath(const Node& node, absl::string_view parent,
                          absl::string_view id) {
  if (node.systemd_driver) {
    return systemd::PodSlicePath(parent.empty() ? kDefaultParentSlice : parent,
                                 id);
  }
  return absl::StrCat(parent.empty() ? kDefaultCgroupParent : parent, "/", id);
}

std::string ContainerCgroupPath(absl::string_view pod_path,
                                absl::string_view id) {
  if (systemd::IsSlicePath(pod_path)) {
    return systemd::ContainerPath(pod_path, id);
  }
  return absl::StrCat(pod_path, "/", id);
}

std::string PodCgroupOf(absl::string_view container_path) {
  const std::string whole = WholeOf(std::string(container_path));
  return whole.substr(0, whole.rfind('/'));
}

bool NeedsPlacement(absl::string_view container_path) {
  return systemd::UnitOf(container_path).has_value();
}

bool IsKeptBySystemd(const Node& node, absl::string_view path) {
  return node.units != nullptr && systemd::UnitOf(path).has_value();
}

absl::Status MakePodCgroup(Node& node, const record::PodRecord& pod) {
  const std::optional<systemd::Unit> unit = systemd::UnitOf(pod.cgroup_path());
  if (unit.has_value() && node.units != nullptr) {
    RETURN_IF_ERROR(node.units->MakeSlice(*unit, pod.id()));
  }
  // Of a slice what systemd knows nothing of: controllers (hugetlb).
  ASSIGN_OR_RETURN(cgroup::Manager cgroup,
                   cgroup::Manager::For(node.cgroups, pod.cgroup_path()));
  return cgroup.Create();
}

work::Task<absl::Status> PlaceShim(Node& node,
                                   record::ContainerRecord container,
                                   pid_t shim) {
  co_return co_await work::RunOn(
      node.blocking_executor, node.executor,
      [&node, &container, shim] { return MakeScope(node, container, shim); });
}

absl::Status KillAllIn(Node& node, const std::string& path) {
  ASSIGN_OR_RETURN(cgroup::Manager cgroup,
                   cgroup::Manager::For(node.cgroups, WholeOf(path)));
  return cgroup.Kill();
}

absl::Status RemoveCgroup(Node& node, const std::string& path,
                          std::chrono::milliseconds patience) {
  const std::optional<systemd::Unit> unit = systemd::UnitOf(path);
  if (unit.has_value() && node.units != nullptr) {
    RETURN_IF_ERROR(node.units->Stop(unit->name));
  }
  ASSIGN_OR_RETURN(cgroup::Manager cgroup,
                   cgroup::Manager::For(node.cgroups, WholeOf(path)));
  return cgroup.Remove(patience);
}

work::Task<void> SweepUnits(Node& node) {
  if (node.units == nullptr) co_return;
  absl::Status swept = co_await work::RunOn(
      node.blocking_executor, node.executor, [&node]() -> absl::Status {
        ASSIGN_OR_RETURN(std::vector<systemd::OwnUnit> units,
                         node.units->List());
        // Scopes before the slices that they lie in.
        std::stable_partition(units.begin(), units.end(),
                              [](const systemd::OwnUnit& unit) {
                                return absl::EndsWith(unit.name, ".scope");
                              });
        absl::Status first;
        for (const systemd::OwnUnit& unit : units) {
          if (node.pods.Get(unit.id).ok() ||
              node.containers.Get(unit.id).ok()) {
            continue;
          }
          absl::Status ended = EndUnit(node, unit);
          if (first.ok()) first = std::move(ended);
        }
        return first;
      });
  LOG_IF(ERROR, !swept.ok()) << "sweep units of systemd: " << swept;
}

}  // namespace gantry::core
