// Sealed memory files: content that nobody can change any more, whoever gets
// hold of a descriptor (memfd_create(2), fcntl(2) F_ADD_SEALS).
//
// A program executed from one cannot be overwritten through /proc/PID/exe
// (CVE-2019-5736). Thread-safe.

#ifndef GANTRY_RUNTIME_SYS_MEMFD_H_
#define GANTRY_RUNTIME_SYS_MEMFD_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

// A sealed file with `data`, its offset at the beginning. `name` is shown in
// /proc only.
absl::StatusOr<UniqueFd> SealedMemfd(absl::string_view name,
                                     absl::string_view data);

// A sealed, executable copy of the whole regular file `fd`.
absl::StatusOr<UniqueFd> SealedCopy(absl::string_view name, int fd);

// Seals the memfd `fd`, whose content is complete, and moves its offset to the
// beginning. Blocks up to 1.3 s while a page of it is held elsewhere (a pipe,
// direct I/O); FailedPrecondition then, and at once when it is mapped writable
// and shared.
absl::Status SealMemfd(int fd, absl::string_view name);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_MEMFD_H_
