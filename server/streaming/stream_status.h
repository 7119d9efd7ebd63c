// The last word on a remote command's error stream: how it ended.
//
// From v4 of the subprotocol on it is a metav1.Status as JSON, also for a good
// end; before, a text and only for a bad one. Pure functions.

#ifndef GANTRY_SERVER_STREAMING_STREAM_STATUS_H_
#define GANTRY_SERVER_STREAMING_STREAM_STATUS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::streaming {

// `exit_code`: of the program, or why there is none. An exit code other than 0
// is a failure with reason NonZeroExitCode and the number in details.causes.
std::string StreamStatus(const absl::StatusOr<int>& exit_code, bool as_json);

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_STREAM_STATUS_H_
