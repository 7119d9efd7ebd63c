// The shim of a container that is to be asked for something.
//
// Thread safety: a plain function, from any thread.

#ifndef GANTRY_SERVER_CORE_RUNNING_SHIM_H_
#define GANTRY_SERVER_CORE_RUNNING_SHIM_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/core/node.h"

namespace gantry::core {

// FAILED_PRECONDITION: the container does not run, or is a pod's pause.
// UNAVAILABLE: it runs, but its shim has not answered since this server started
// (recovery.h).
inline absl::StatusOr<Shims::Ptr> RunningShim(
    const Node& node, const record::ContainerRecord& container) {
  using record::ContainerRecord;
  if (container.state() != ContainerRecord::RUNNING ||
      container.spec().pause()) {
    return absl::FailedPreconditionError(
        absl::StrCat("it is ", ContainerRecord::State_Name(container.state()),
                     ", not RUNNING"));
  }
  Shims::Ptr shim = node.shims.Get(container.id());
  if (shim == nullptr) {
    return absl::UnavailableError(
        "its shim has not answered since the server started");
  }
  return shim;
}

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_RUNNING_SHIM_H_
