// Finding a process again that was noted down by pid and start time: a pid
// alone may belong to someone else by now (proc(5), stat field 22).

#ifndef GANTRY_SERVER_CORE_PROCESS_IDENTITY_H_
#define GANTRY_SERVER_CORE_PROCESS_IDENTITY_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"

namespace gantry::core {

// The namespace `name` ("pid", "net", ...) of a container's first process.
// NOT_FOUND if that process is gone, whoever has its pid now.
absl::StatusOr<UniqueFd> OpenNamespaceOf(const shim::Started& started,
                                         absl::string_view name);

// Whether a container's first process would not get `signal` if it were sent
// now: the kernel drops it as long as the program has no handler for it. False
// if that process is gone.
bool DropsSignal(const shim::Started& started, int signal);

// Kills a container's shim itself. OK if it is gone.
absl::Status KillShimOf(const shim::Started& started);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_PROCESS_IDENTITY_H_
