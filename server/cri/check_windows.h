// Refuses what only Windows has. CRI carries it in messages of its own, which
// clients of a Linux node leave out; one that is there and says something is
// refused by the name of what it says, not left out silently.
//
// Pure function.

#ifndef GANTRY_SERVER_CRI_CHECK_WINDOWS_H_
#define GANTRY_SERVER_CRI_CHECK_WINDOWS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace gantry::cri {

// INVALID_ARGUMENT naming the first field of `windows` that is set, at any
// depth: "config.windows.resources.cpu_count: is of Windows nodes only".
absl::Status CheckNoWindows(absl::string_view field,
                            const google::protobuf::Message& windows);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_CHECK_WINDOWS_H_
