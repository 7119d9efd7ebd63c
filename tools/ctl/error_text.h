// What the user reads when something fails: the error, and what to do next.
//
// Thread safety: pure but for ExplainUnreachable, which looks at the socket.

#ifndef GANTRY_TOOLS_CTL_ERROR_TEXT_H_
#define GANTRY_TOOLS_CTL_ERROR_TEXT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry::ctl {

// `status` with a line for people on what to do next; the first hint given
// stays.
absl::Status WithHint(absl::Status status, absl::string_view hint);
std::string HintOf(const absl::Status& status);

// Why nobody answers at `socket_path`, with a hint; `status` as it is if it is
// not UNAVAILABLE. Blocks for a stat(2).
absl::Status ExplainUnreachable(const absl::Status& status,
                                const std::string& socket_path);

// "gantryctl: message" and, if there is one, the hint on a line of its own.
// Control characters are shown as '?'.
std::string ErrorText(const absl::Status& status);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_ERROR_TEXT_H_
