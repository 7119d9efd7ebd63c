#include "server/core/change_limits.h"

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/spec_resources.h"

namespace gantry::core {
namespace {

// Limits of 0 are taken without effect there (runtime/cgroup).
void NoteUncountedHugepages(Node& node, const spec::Resources& resources) {
  if (resources.hugepages_size() == 0) return;
  if (node.cgroups.Find("hugetlb").has_value()) return;
  node.degraded.Add("hugepage_limits: no hugetlb controller is mounted");
}

}  // namespace

absl::Status CheckLimits(Node& node, const spec::Resources& resources) {
  RETURN_IF_ERROR(
      cgroup::Manager::Check(node.cgroups, cgroup::ResourcesOf(resources)));
  NoteUncountedHugepages(node, resources);
  return absl::OkStatus();
}

absl::Status ChangeLimits(Node& node, const std::string& cgroup_path,
                          const spec::Resources& resources, UndoStack& undo) {
  ASSIGN_OR_RETURN(cgroup::Manager cgroup,
                   cgroup::Manager::For(node.cgroups, cgroup_path));
  RETURN_IF_ERROR(cgroup.Update(cgroup::ResourcesOf(resources), undo));
  NoteUncountedHugepages(node, resources);
  return absl::OkStatus();
}

absl::Status TakeBack(UndoStack& undo, absl::Status why) {
  const absl::Status undone = undo.Run();
  if (undone.ok()) return why;
  return Annotate(
      why, absl::StrCat("limits are partly changed (", undone.message(), ")"));
}

}  // namespace gantry::core
