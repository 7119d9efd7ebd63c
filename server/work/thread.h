// Starts threads without exceptions: where the limit of processes is reached
// there is an error to be told instead.
//
// Thread safety: from any thread. Blocks no longer than clone(2).

#ifndef GANTRY_SERVER_WORK_THREAD_H_
#define GANTRY_SERVER_WORK_THREAD_H_

#include <string>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"

namespace gantry::work {

// Runs `body` on a new thread that the kernel shows as `name` (15 characters
// are kept). RESOURCE_EXHAUSTED: no more threads may be made now (pids limit of
// a cgroup, RLIMIT_NPROC); `body` has not run.
absl::StatusOr<std::thread> StartThread(const std::string& name,
                                        absl::AnyInvocable<void()> body);

}  // namespace gantry::work

#endif  // GANTRY_SERVER_WORK_THREAD_H_
