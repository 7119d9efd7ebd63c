// The one thing a path must not hold: NUL, behind which the kernel would not
// look. Internal to runtime/sys.

#ifndef GANTRY_RUNTIME_SYS_CHECK_PATH_H_
#define GANTRY_RUNTIME_SYS_CHECK_PATH_H_

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace gantry::sys {

// INVALID_ARGUMENT, with the verb, for a path that would be cut short.
inline absl::Status CheckPath(absl::string_view verb, absl::string_view path) {
  if (path.find('\0') == absl::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(verb, " ", absl::CHexEscape(path), ": NUL in the path"));
}

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_CHECK_PATH_H_
