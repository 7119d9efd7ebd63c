// The version of a kernel, as far as it is compared: "6.1" of "6.1.0-18-amd64".
//
// Thread safety: a value and a pure function.

#ifndef GANTRY_RUNTIME_PLAN_KERNEL_VERSION_H_
#define GANTRY_RUNTIME_PLAN_KERNEL_VERSION_H_

#include <compare>
#include <optional>

#include "absl/strings/string_view.h"

namespace gantry::plan {

// Named as the kernel's Makefile does. 0.0: not known.
struct KernelVersion {
  int version = 0;
  int patchlevel = 0;

  auto operator<=>(const KernelVersion&) const = default;
};

// Of a release (uname -r) or of "4.8"; nothing for other text.
std::optional<KernelVersion> ParseKernelVersion(absl::string_view release);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_KERNEL_VERSION_H_
