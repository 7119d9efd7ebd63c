// Checks of single values in requests. Every error is INVALID_ARGUMENT (or
// UNIMPLEMENTED for what is not built) and begins with the path of the field:
// "config.linux.resources.cpu_period: expected 0 or more, found -1".
//
// Pure functions.

#ifndef GANTRY_SERVER_CRI_CHECK_H_
#define GANTRY_SERVER_CRI_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry::cri {

// "field: what". `value`, where given, is quoted with control bytes escaped.
absl::Status BadField(absl::string_view field, absl::string_view what);
absl::Status BadValue(absl::string_view field, absl::string_view expected,
                      absl::string_view value);
absl::Status NotBuilt(absl::string_view field, absl::string_view what);

// "mounts[3]".
std::string At(absl::string_view list, int index);

absl::Status CheckNoNul(absl::string_view field, absl::string_view value);

// Part of a name that objects are reserved and files may be named by: not
// empty, at most 253 bytes, no '/', no control characters, not "." or "..".
absl::Status CheckName(absl::string_view field, absl::string_view value);

// The same, but may be empty.
absl::Status CheckOptionalName(absl::string_view field,
                               absl::string_view value);

// Absolute, shorter than PATH_MAX, without NUL.
absl::Status CheckAbsolutePath(absl::string_view field,
                               absl::string_view value);

// Absolute as well, and without a component "..".
absl::Status CheckPlainAbsolutePath(absl::string_view field,
                                    absl::string_view value);

// Relative, leads nowhere but below: no component "..", "." or empty.
absl::Status CheckPlainRelativePath(absl::string_view field,
                                    absl::string_view value);

// A user or group id: 0 to 2147483647. Larger ones have wrapped to 0 in other
// programs (CVE-2024-40635).
absl::Status CheckId(absl::string_view field, int64_t value);

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t least,
                        int64_t most);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_CHECK_H_
