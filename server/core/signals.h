// Signal names as images and users write them.

#ifndef GANTRY_SERVER_CORE_SIGNALS_H_
#define GANTRY_SERVER_CORE_SIGNALS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::core {

// "SIGTERM", "TERM", "15", "RTMIN+3", "SIGRTMAX-1" (signal(7)); in any case.
// INVALID_ARGUMENT for anything else.
absl::StatusOr<int> ParseSignal(absl::string_view text);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_SIGNALS_H_
