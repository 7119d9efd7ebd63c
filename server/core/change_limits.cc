#include "server/core/change_limits.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/spec_resources.h"
#include "runtime/cgroup/systemd/properties.h"
#include "runtime/cgroup/systemd/unit_names.h"
#include "runtime/cgroup/systemd/units.h"
#include "server/core/cgroups.h"
#include "server/core/merge_resources.h"

namespace gantry::core {
namespace {

namespace systemd = cgroup::systemd;

// Limits of 0 are taken without effect there (runtime/cgroup).
void NoteUncountedHugepages(Node& node, const spec::Resources& resources) {
  if (resources.hugepages_size() == 0) return;
  if (node.cgroups.Find("hugetlb").has_value()) return;
  node.degraded.Add("hugepage_limits: no hugetlb controller is mounted");
}

// The container's own cgroup, or the slice itself: here the kernel is asked
// whether it can be, and nothing is killed for it.
absl::Status ChangeFiles(Node& node, const std::string& path,
                         const spec::Resources& change, UndoStack& undo) {
  ASSIGN_OR_RETURN(cgroup::Manager cgroup,
                   cgroup::Manager::For(node.cgroups, path));
  return cgroup.Update(cgroup::ResourcesOf(change), undo);
}

// What systemd shall write into the unit's files from now on.
absl::Status ChangeUnit(Node& node, const std::string& path,
                        const spec::Resources& now,
                        const spec::Resources& change, UndoStack& undo) {
  const std::optional<systemd::Unit> unit = systemd::UnitOf(path);
  if (!unit.has_value() || node.units == nullptr) return absl::OkStatus();
  const systemd::Holder holder =
      unit->is_scope ? systemd::Holder::kScope : systemd::Holder::kSlice;
  spec::Resources merged = now;
  MergeResources(change, merged);
  ASSIGN_OR_RETURN(const systemd::Properties before,
                   systemd::LimitProperties(cgroup::ResourcesOf(now), holder));
  ASSIGN_OR_RETURN(
      const systemd::Properties after,
      systemd::LimitProperties(cgroup::ResourcesOf(merged), holder));
  ASSIGN_OR_RETURN(const cgroup::Manager cgroup,
                   cgroup::Manager::For(node.cgroups, unit->path));
  ASSIGN_OR_RETURN(const systemd::Properties in_effect,
                   systemd::LimitProperties(cgroup.CpusetInEffect(), holder));
  RETURN_IF_ERROR(node.units->SetLimits(unit->name, after));
  undo.Push(absl::StrCat("restore the properties of ", unit->name),
            [&node, name = unit->name,
             back = systemd::TakingBack(before, after, in_effect)] {
              return node.units->SetLimits(name, back);
            });
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckLimits(Node& node, const spec::Resources& resources) {
  RETURN_IF_ERROR(
      cgroup::Manager::Check(node.cgroups, cgroup::ResourcesOf(resources)));
  NoteUncountedHugepages(node, resources);
  return absl::OkStatus();
}

work::Task<absl::Status> ChangeLimits(Node& node, std::string cgroup_path,
                                      spec::Resources now,
                                      spec::Resources change, UndoStack& undo) {
  UndoStack done;
  absl::Status changed =
      co_await OnCgroup(node, cgroup_path, [&]() -> absl::Status {
        RETURN_IF_ERROR(ChangeFiles(node, cgroup_path, change, done));
        absl::Status followed =
            ChangeUnit(node, cgroup_path, now, change, done);
        return followed.ok() ? followed : TakeBack(done, followed);
      });
  CO_RETURN_IF_ERROR(changed);
  undo.Append(std::move(done));
  NoteUncountedHugepages(node, change);
  co_return absl::OkStatus();
}

absl::Status TakeBack(UndoStack& undo, absl::Status why) {
  const absl::Status undone = undo.Run();
  if (undone.ok()) return why;
  return Annotate(
      why, absl::StrCat("limits are partly changed (", undone.message(), ")"));
}

}  // namespace gantry::core
