// Names of systemd's units, and where their cgroups are.
//
// A slice "a-b.slice" lies in "a.slice": a dash stands for a level
// (systemd.slice(5)). A pod is a slice, a container a scope in it; the
// container's own cgroup is the scope's child "container", where systemd, as
// Delegate= says, changes nothing (systemd.resource-control(5)).
// Pure; thread safety: reentrant.

#ifndef GANTRY_RUNTIME_CGROUP_SYSTEMD_UNIT_NAMES_H_
#define GANTRY_RUNTIME_CGROUP_SYSTEMD_UNIT_NAMES_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::cgroup::systemd {

// The slice that pods are in unless a client names another.
inline constexpr absl::string_view kDefaultSlice = "gantry.slice";
// Children of a container's scope.
inline constexpr absl::string_view kShimGroup = "shim";
inline constexpr absl::string_view kContainerGroup = "container";

// "/a.slice/a-b.slice" for "a-b.slice": the path of its cgroup below the mount.
// INVALID_ARGUMENT for what is no slice's name, and for the root slice.
absl::StatusOr<std::string> ExpandSlice(absl::string_view slice);

// The path of the parent that a client names, by the slice's name or by its
// path. INVALID_ARGUMENT for any other path, and for a name so long that a
// pod's would not fit.
absl::StatusOr<std::string> ParentSlicePath(absl::string_view parent);

// The path of a pod's slice: "PARENT/a-b-ID.slice" for PARENT
// "/a.slice/a-b.slice".
std::string PodSlicePath(absl::string_view parent_path, absl::string_view id);

// The path of a container's cgroup in its pod's:
// "POD/gantry-ID.scope/container".
std::string ContainerPath(absl::string_view pod_path, absl::string_view id);

// Whether the cgroup at `path` is a slice, as those of pods are.
bool IsSlicePath(absl::string_view path);

struct Unit {
  // "gantry-ID.scope", "a-b-ID.slice".
  std::string name;
  // Of its cgroup.
  std::string path;
  // The name of the slice that it lies in.
  std::string slice;
  bool is_scope = false;
};

// The unit that a pod's or container's cgroup belongs to; none for one that no
// systemd knows.
std::optional<Unit> UnitOf(absl::string_view cgroup_path);

}  // namespace gantry::cgroup::systemd

#endif  // GANTRY_RUNTIME_CGROUP_SYSTEMD_UNIT_NAMES_H_
