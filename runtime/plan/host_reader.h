// Reads the facts of this host.
//
// Thread safety: the functions and the lookup are thread-safe. They read files
// of /proc and nodes of /dev and don't block otherwise.

#ifndef GANTRY_RUNTIME_PLAN_HOST_READER_H_
#define GANTRY_RUNTIME_PLAN_HOST_READER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"
#include "runtime/plan/host_facts.h"

namespace gantry::plan {

// Looks below `rootfd`, which it takes over (a fd of "/" in production).
std::unique_ptr<DeviceLookup> MakeHostDevices(UniqueFd rootfd);

// Reads all but the hierarchies from `procfd` (a fd of /proc) and sets
// `devices`.
absl::StatusOr<HostFacts> ReadHostFacts(
    int procfd, std::shared_ptr<const DeviceLookup> devices);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_HOST_READER_H_
