// Which cgroup hierarchies a machine has, as plain data.
//
// Found once per process (detect.h) or received from a process that found it;
// cheap to copy and to put into a message. Thread safety: plain values.
// Source: cgroups(7), Documentation/admin-guide/cgroup-v1/cgroups.rst,
// Documentation/admin-guide/cgroup-v2.rst.

#ifndef GANTRY_RUNTIME_CGROUP_LAYOUT_H_
#define GANTRY_RUNTIME_CGROUP_LAYOUT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gantry::cgroup {

enum class Version { kV1, kV2 };

// One mounted hierarchy.
struct Hierarchy {
  Version version = Version::kV1;
  // Where it is mounted, e.g. "/sys/fs/cgroup/memory".
  std::string mount_path;
  // What part of the hierarchy the mount shows; "/" but in containers.
  std::string root = "/";
  // Kernel names ("cpu", "cpuacct"); a named v1 hierarchy without controllers
  // has the one entry "name=systemd". On v2: what cgroup.controllers of the
  // mounted root offers, which may be nothing.
  std::vector<std::string> controllers;

  bool operator==(const Hierarchy&) const = default;
};

struct Layout {
  std::vector<Hierarchy> hierarchies;
  // Huge page sizes of the machine as hugetlb files spell them, e.g. "2MB".
  std::vector<std::string> huge_page_sizes;

  bool operator==(const Layout&) const = default;
};

// kV1: only v1 mounts; kV2: only the cgroup2 mount; kHybrid: both.
enum class Mode { kV1, kV2, kHybrid };
Mode ModeOf(const Layout& layout);
absl::string_view ModeName(Mode mode);

// The index of the hierarchy that has `controller`; none if it isn't mounted.
std::optional<size_t> FindController(const Layout& layout,
                                     absl::string_view controller);

// The index of the cgroup2 hierarchy, if there is one.
std::optional<size_t> FindUnified(const Layout& layout);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_LAYOUT_H_
