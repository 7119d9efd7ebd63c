#include "runtime/cgroup/systemd/unit_names.h"

#include <cstddef>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"

namespace gantry::cgroup::systemd {

namespace {

constexpr absl::string_view kSlice = ".slice";
constexpr absl::string_view kScope = ".scope";
constexpr absl::string_view kScopePrefix = "gantry-";
// systemd.unit(5).
constexpr size_t kMaxName = 255;
// "-" and an id.
constexpr size_t kPodSuffix = 65;

// systemd.unit(5): letters, digits and these.
bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(c) || absl::StrContains(":-_.\\", c);
}

absl::Status NoSlice(absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\" is no slice's name: ", why));
}

absl::Status CheckSlice(absl::string_view name) {
  if (name.size() > kMaxName) return NoSlice(name, "it has over 255 bytes");
  absl::string_view bare = name;
  if (!absl::ConsumeSuffix(&bare, kSlice)) {
    return NoSlice(name, "it does not end in .slice");
  }
  if (bare == "-") return NoSlice(name, "the root slice is not for pods");
  for (char c : bare) {
    if (!IsNameCharacter(c)) {
      return NoSlice(name, "it has a character that no unit's name has");
    }
  }
  for (absl::string_view part : absl::StrSplit(bare, '-')) {
    if (part.empty()) return NoSlice(name, "a part between dashes is empty");
  }
  return absl::OkStatus();
}

// "c" of "/a/b/c".
absl::string_view LastOf(absl::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

absl::string_view ParentOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? "" : path.substr(0, slash);
}

// Only where it lies as its name says: a directory of that name elsewhere is
// nobody's unit.
bool IsSliceAt(absl::string_view path) {
  const absl::StatusOr<std::string> expanded = ExpandSlice(LastOf(path));
  return expanded.ok() && *expanded == path;
}

}  // namespace

absl::StatusOr<std::string> ExpandSlice(absl::string_view slice) {
  RETURN_IF_ERROR(CheckSlice(slice));
  std::string path;
  std::string name;
  for (absl::string_view part :
       absl::StrSplit(absl::StripSuffix(slice, kSlice), '-')) {
    absl::StrAppend(&name, name.empty() ? "" : "-", part);
    absl::StrAppend(&path, "/", name, kSlice);
  }
  return path;
}

absl::StatusOr<std::string> ParentSlicePath(absl::string_view parent) {
  while (parent.size() > 1 && absl::ConsumeSuffix(&parent, "/")) {
  }
  const absl::string_view name = LastOf(parent);
  ASSIGN_OR_RETURN(std::string path, ExpandSlice(name));
  if (name.size() + kPodSuffix > kMaxName) {
    return NoSlice(name, "it leaves no room for a pod's id");
  }
  if (parent != name && parent != path) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", parent, "\" is not where the slice lies: its path is ", path));
  }
  return path;
}

std::string PodSlicePath(absl::string_view parent_path, absl::string_view id) {
  return absl::StrCat(parent_path, "/",
                      absl::StripSuffix(LastOf(parent_path), kSlice), "-", id,
                      kSlice);
}

std::string ContainerPath(absl::string_view pod_path, absl::string_view id) {
  return absl::StrCat(pod_path, "/", kScopePrefix, id, kScope, "/",
                      kContainerGroup);
}

bool IsSlicePath(absl::string_view path) { return IsSliceAt(path); }

std::optional<Unit> UnitOf(absl::string_view cgroup_path) {
  Unit unit;
  absl::string_view path = cgroup_path;
  if (absl::ConsumeSuffix(&path, absl::StrCat("/", kContainerGroup))) {
    const absl::string_view name = LastOf(path);
    unit.is_scope = absl::StartsWith(name, kScopePrefix) &&
                    absl::EndsWith(name, kScope) && IsSliceAt(ParentOf(path));
    if (!unit.is_scope) return std::nullopt;
  } else if (!IsSliceAt(path)) {
    return std::nullopt;
  }
  unit.name = std::string(LastOf(path));
  unit.path = std::string(path);
  unit.slice = std::string(LastOf(ParentOf(path)));
  return unit;
}

}  // namespace gantry::cgroup::systemd
