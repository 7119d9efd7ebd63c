#include "runtime/cgroup/detect.h"

#include <errno.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mountinfo.h"

namespace gantry::cgroup {

namespace {

using Names = std::vector<std::string>;

bool IsAtOrBelow(absl::string_view path, absl::string_view directory) {
  return absl::ConsumePrefix(&path, directory) &&
         (path.empty() || path[0] == '/' || directory == "/");
}

// Whether a path lookup reaches `mount`. What was mounted later over it, or
// over a directory above it, has the same parent (it would else be mounted on
// top of the other) or is its child at the same place.
bool IsVisible(const std::vector<sys::MountInfo>& mounts, size_t index) {
  const sys::MountInfo& mount = mounts[index];
  for (size_t i = 0; i < mounts.size(); ++i) {
    const sys::MountInfo& other = mounts[i];
    if (i == index || other.id == mount.id) continue;
    if (other.parent_id == mount.id && other.mount_point == mount.mount_point)
      return false;
    if (i > index && other.parent_id == mount.parent_id &&
        IsAtOrBelow(mount.mount_point, other.mount_point)) {
      return false;
    }
  }
  return true;
}

// The sets of names that /proc/self/cgroup shows: one per v1 hierarchy, by its
// controllers or its own name. The v2 line has none.
std::vector<Names> HierarchyNames(absl::string_view self_cgroup) {
  std::vector<Names> result;
  for (absl::string_view line :
       absl::StrSplit(self_cgroup, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3 || parts[1].empty()) continue;
    result.push_back(absl::StrSplit(parts[1], ','));
  }
  return result;
}

// The hierarchy whose names are all among the mount's options; empty if none.
Names NamesOf(const sys::MountInfo& mount, const std::vector<Names>& known) {
  const std::vector<absl::string_view> options =
      absl::StrSplit(mount.super_options, ',');
  for (const Names& names : known) {
    if (std::all_of(names.begin(), names.end(), [&](const std::string& name) {
          return std::find(options.begin(), options.end(), name) !=
                 options.end();
        })) {
      return names;
    }
  }
  return {};
}

// Whether `a` is the better of two mounts of one hierarchy.
bool IsBetter(const Hierarchy& a, const Hierarchy& b) {
  if (a.root.size() != b.root.size()) return a.root.size() < b.root.size();
  constexpr char kUsual[] = "/sys/fs/cgroup";
  return IsAtOrBelow(a.mount_path, kUsual) &&
         !IsAtOrBelow(b.mount_path, kUsual);
}

void AddOrReplace(Hierarchy found, std::vector<Hierarchy>& hierarchies) {
  for (Hierarchy& old : hierarchies) {
    // There is only one cgroup2 hierarchy; v1's differ in their names.
    const bool same =
        old.version == found.version &&
        (found.version == Version::kV2 || old.controllers == found.controllers);
    if (!same) continue;
    if (IsBetter(found, old)) old = std::move(found);
    return;
  }
  hierarchies.push_back(std::move(found));
}

// "hugepages-2048kB" is "2MB" to hugetlb; empty for another name.
std::string PageSizeName(absl::string_view directory) {
  uint64_t kilobytes = 0;
  if (!absl::ConsumePrefix(&directory, "hugepages-") ||
      !absl::ConsumeSuffix(&directory, "kB") ||
      !absl::SimpleAtoi(directory, &kilobytes)) {
    return "";
  }
  if (kilobytes >= 1 << 20) return absl::StrCat(kilobytes >> 20, "GB");
  if (kilobytes >= 1 << 10) return absl::StrCat(kilobytes >> 10, "MB");
  return absl::StrCat(kilobytes, "KB");
}

absl::StatusOr<std::vector<std::string>> HugePageSizes(int rootfd) {
  std::vector<std::string> sizes;
  const auto entries = sys::ListDirAt(rootfd, "sys/kernel/mm/hugepages");
  if (!entries.ok()) {
    if (ErrnoOf(entries.status()) == ENOENT) return sizes;
    return entries.status();
  }
  for (const sys::DirEntry& entry : *entries) {
    std::string size = PageSizeName(entry.name);
    if (!size.empty()) sizes.push_back(std::move(size));
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

}  // namespace

absl::StatusOr<Layout> DecideLayout(const DetectInput& input) {
  ASSIGN_OR_RETURN(const std::vector<sys::MountInfo> mounts,
                   sys::ParseMountinfo(input.mountinfo));
  const std::vector<Names> known = HierarchyNames(input.self_cgroup);
  Layout layout;
  for (size_t i = 0; i < mounts.size(); ++i) {
    const sys::MountInfo& mount = mounts[i];
    Hierarchy found{Version::kV1, mount.mount_point, mount.root, {}};
    if (mount.fs_type == "cgroup2") {
      found.version = Version::kV2;
      const auto text = input.unified_controllers.find(mount.mount_point);
      if (text != input.unified_controllers.end()) {
        found.controllers = absl::StrSplit(text->second, absl::ByAnyChar(" \n"),
                                           absl::SkipEmpty());
      }
    } else if (mount.fs_type == "cgroup") {
      found.controllers = NamesOf(mount, known);
      if (found.controllers.empty()) continue;
    } else {
      continue;
    }
    if (IsVisible(mounts, i))
      AddOrReplace(std::move(found), layout.hierarchies);
  }
  if (layout.hierarchies.empty()) {
    return absl::FailedPreconditionError(
        "no cgroup or cgroup2 file system is mounted");
  }
  return layout;
}

absl::StatusOr<Layout> DetectLayout(int rootfd) {
  DetectInput input;
  constexpr size_t kMaxMountinfo = 64 << 20;
  ASSIGN_OR_RETURN(
      input.mountinfo,
      sys::ReadFileAt(rootfd, "proc/self/mountinfo", kMaxMountinfo));
  ASSIGN_OR_RETURN(input.self_cgroup,
                   sys::ReadFileAt(rootfd, "proc/self/cgroup"));
  ASSIGN_OR_RETURN(const std::vector<sys::MountInfo> mounts,
                   sys::ParseMountinfo(input.mountinfo));
  for (const sys::MountInfo& mount : mounts) {
    if (mount.fs_type != "cgroup2") continue;
    const std::string file = absl::StrCat(
        absl::StripPrefix(mount.mount_point, "/"), "/cgroup.controllers");
    // A hidden or unreadable mount offers nothing.
    absl::StatusOr<std::string> text = sys::ReadFileAt(rootfd, file);
    if (text.ok())
      input.unified_controllers[mount.mount_point] = *std::move(text);
  }
  ASSIGN_OR_RETURN(Layout layout, DecideLayout(input));
  ASSIGN_OR_RETURN(layout.huge_page_sizes, HugePageSizes(rootfd));
  return layout;
}

}  // namespace gantry::cgroup
