// Paths below a root that somebody else fills: a container's rootfs, a layer
// being unpacked.
//
// The kernel resolves them (openat2(2)): RESOLVE_IN_ROOT takes ".." and
// absolute symlinks as the inside of the root sees them; RESOLVE_BENEATH
// refuses to leave. Magic links (/proc/PID/fd/N) are never followed. There is
// no path in these functions that is looked up twice.
// Whoever owns the tree may rename and swap symlinks meanwhile; what the kernel
// keeps finding raced (EAGAIN) is UNAVAILABLE after a bounded number of tries.
// Thread-safe; blocks as the file system does. Errors: FAILED_PRECONDITION
// with EXDEV or ELOOP for a path that leads out or through what it must not.
// Needs Linux 5.6.

#ifndef GANTRY_RUNTIME_SYS_IN_ROOT_H_
#define GANTRY_RUNTIME_SYS_IN_ROOT_H_

#include <sys/types.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

// Opens `path` as a process whose root directory is `rootfd` would; symlinks
// are followed inside the root. O_CLOEXEC is added. `mode` counts with O_CREAT
// and O_TMPFILE and is cut by the umask.
absl::StatusOr<UniqueFd> OpenInRoot(int rootfd, absl::string_view path,
                                    int flags, mode_t mode = 0);

enum class Symlinks { kFollow, kRefuse };

// Opens the relative `path` below `dirfd`; whatever would lead out, also for a
// moment, is refused.
absl::StatusOr<UniqueFd> OpenBeneath(int dirfd, absl::string_view path,
                                     int flags, mode_t mode = 0,
                                     Symlinks symlinks = Symlinks::kRefuse);

// Makes `path` and what is missing above it inside the root, following
// symlinks there (also ones whose target is missing, which is then made), and
// gives an O_PATH descriptor of it; of the root itself for "" and "/". A
// component that exists and is no directory is an error (ENOTDIR). Existing
// directories keep their mode; `mode` is cut by the umask.
absl::StatusOr<UniqueFd> MkdirAllInRoot(int rootfd, absl::string_view path,
                                        mode_t mode);

// Makes an empty regular file at `path` inside the root, with the directories
// above it (0755), unless something is there already; gives an O_PATH
// descriptor of it, so a FIFO or device there is not opened. A directory there
// is an error (EISDIR). For mount points of files.
absl::StatusOr<UniqueFd> CreateFileInRoot(int rootfd, absl::string_view path,
                                          mode_t mode);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_IN_ROOT_H_
