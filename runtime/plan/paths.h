// Paths as clients write them, made comparable.
//
// Thread safety: pure functions.

#ifndef GANTRY_RUNTIME_PLAN_PATHS_H_
#define GANTRY_RUNTIME_PLAN_PATHS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::plan {

// `path` without ".", "..", and doubled or trailing slashes; ".." at the root
// stays at the root. INVALID_ARGUMENT names `field` for a path that is
// relative, empty, too long for the kernel or has a NUL.
absl::StatusOr<std::string> CleanAbsolutePath(absl::string_view path,
                                              absl::string_view field);

// Number of components of a clean path; 0 for "/".
int PathDepth(absl::string_view clean_path);

// Whether a clean path is `parent` or lies below it.
bool IsBelowOrEqual(absl::string_view clean_path, absl::string_view parent);

// A string that shall become a C string must have no NUL.
absl::Status CheckNoNul(absl::string_view text, absl::string_view field);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_PATHS_H_
