// Sizes as people write them: "10Gi", "512Mi", "4096".
//
// A whole number of bytes, or of Ki, Mi, Gi or Ti (powers of 1024), as
// Kubernetes spells its quantities. No fractions, and none of the letters that
// one program takes for powers of 1000 and another for powers of 1024.
// Thread safety: pure functions.

#ifndef GANTRY_RUNTIME_CONF_SIZE_H_
#define GANTRY_RUNTIME_CONF_SIZE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace gantry::conf {

// At most 2^62. Unset for what is no size.
std::optional<uint64_t> ParseSize(absl::string_view text);

// With the largest unit that leaves a whole number.
std::string FormatSize(uint64_t bytes);

}  // namespace gantry::conf

#endif  // GANTRY_RUNTIME_CONF_SIZE_H_
