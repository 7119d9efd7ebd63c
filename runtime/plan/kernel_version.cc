#include "runtime/plan/kernel_version.h"

#include <charconv>

namespace gantry::plan {

std::optional<KernelVersion> ParseKernelVersion(absl::string_view release) {
  KernelVersion parsed;
  const char* const end = release.data() + release.size();
  auto [dot, error] = std::from_chars(release.data(), end, parsed.version);
  if (error != std::errc() || dot == end || *dot != '.') return std::nullopt;
  auto [rest, bad] = std::from_chars(dot + 1, end, parsed.patchlevel);
  if (bad != std::errc() || parsed.version < 0 || parsed.patchlevel < 0) {
    return std::nullopt;
  }
  return parsed;
}

}  // namespace gantry::plan
