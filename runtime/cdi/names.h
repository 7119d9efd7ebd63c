// The names of CDI devices (SPEC.md, "CDI Device identifiers").
//
// Thread safety: pure functions.

#ifndef GANTRY_RUNTIME_CDI_NAMES_H_
#define GANTRY_RUNTIME_CDI_NAMES_H_

#include "absl/strings/string_view.h"

namespace gantry::cdi {

// "vendor.com/class".
bool IsKind(absl::string_view kind);

bool IsDeviceName(absl::string_view name);

}  // namespace gantry::cdi

#endif  // GANTRY_RUNTIME_CDI_NAMES_H_
