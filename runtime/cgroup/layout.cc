#include "runtime/cgroup/layout.h"

#include <algorithm>

namespace gantry::cgroup {

Mode ModeOf(const Layout& layout) {
  bool v1 = false;
  for (const Hierarchy& h : layout.hierarchies) v1 |= h.version == Version::kV1;
  if (!FindUnified(layout).has_value()) return Mode::kV1;
  return v1 ? Mode::kHybrid : Mode::kV2;
}

absl::string_view ModeName(Mode mode) {
  switch (mode) {
    case Mode::kV1:
      return "v1";
    case Mode::kV2:
      return "v2";
    case Mode::kHybrid:
      return "hybrid";
  }
  return "unknown";
}

std::optional<size_t> FindController(const Layout& layout,
                                     absl::string_view controller) {
  for (size_t i = 0; i < layout.hierarchies.size(); ++i) {
    const auto& names = layout.hierarchies[i].controllers;
    if (std::find(names.begin(), names.end(), controller) != names.end()) {
      return i;
    }
  }
  return std::nullopt;
}

std::optional<size_t> FindUnified(const Layout& layout) {
  for (size_t i = 0; i < layout.hierarchies.size(); ++i) {
    if (layout.hierarchies[i].version == Version::kV2) return i;
  }
  return std::nullopt;
}

}  // namespace gantry::cgroup
