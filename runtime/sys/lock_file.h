// One owner of a directory at a time, by flock(2) on a file in it.

#ifndef GANTRY_RUNTIME_SYS_LOCK_FILE_H_
#define GANTRY_RUNTIME_SYS_LOCK_FILE_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

// Locks the file `name` in `dirfd`, made if missing, and writes this process's
// pid into it. The lock is held until the descriptor is closed, by the end of
// the process at the latest. Does not wait: FAILED_PRECONDITION naming the pid
// of the holder.
absl::StatusOr<UniqueFd> LockFileAt(int dirfd, absl::string_view name);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_LOCK_FILE_H_
