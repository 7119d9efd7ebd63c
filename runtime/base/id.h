// Object ids: 64 lower-case hex digits from the kernel's random source, the
// form that CRI clients abbreviate and that is safe as a file name.

#ifndef GANTRY_RUNTIME_BASE_ID_H_
#define GANTRY_RUNTIME_BASE_ID_H_

#include <string>

#include "absl/strings/string_view.h"

namespace gantry {

// A new id. Blocks only before the kernel's random source is ready at boot.
std::string NewId();

// Whether `id` has the form NewId gives.
bool IsId(absl::string_view id);

}  // namespace gantry

#endif  // GANTRY_RUNTIME_BASE_ID_H_
