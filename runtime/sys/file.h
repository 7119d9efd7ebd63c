// Files and directories by directory descriptor: thin calls with clear errors.
//
// A path is relative to `dirfd`, or absolute, or relative to the working
// directory with AT_FDCWD. Symlinks are followed as the kernel does: for paths
// below an untrusted root use in_root.h.
// Every descriptor is O_CLOEXEC. EINTR is retried where that is safe.
// Errors: ErrnoStatus with the verb and the path ("open cpu.max: ENOENT: ...").
// Thread safety: plain system calls, usable from any thread. Blocking: as the
// file system does.

#ifndef GANTRY_RUNTIME_SYS_FILE_H_
#define GANTRY_RUNTIME_SYS_FILE_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

// openat(2) with O_CLOEXEC added. `mode` counts with O_CREAT and O_TMPFILE and
// is cut by the umask.
absl::StatusOr<UniqueFd> OpenAt(int dirfd, absl::string_view path, int flags,
                                mode_t mode = 0);

// A second descriptor of the same open file, O_CLOEXEC.
absl::StatusOr<UniqueFd> Duplicate(int fd);

// Everything from the current offset to the end. RESOURCE_EXHAUSTED if that is
// more than `max_bytes`: content is never cut silently.
absl::StatusOr<std::string> ReadFd(int fd, size_t max_bytes = 1 << 20);
absl::StatusOr<std::string> ReadFileAt(int dirfd, absl::string_view path,
                                       size_t max_bytes = 1 << 20);

// Writes all of `data`, however many write(2) calls that takes.
absl::Status WriteAll(int fd, absl::string_view data);

// Opens an existing file O_WRONLY (plus O_TRUNC for regular files' sake) and
// writes `data` in exactly one write(2), the form kernel files want; a short
// write is an error. The error shows the data (up to 64 bytes): for kernel
// files, never for secrets.
absl::Status WriteFileAt(int dirfd, absl::string_view path,
                         absl::string_view data);

// mkdirat(2); `mode` is cut by the umask.
absl::Status MkdirAt(int dirfd, absl::string_view path, mode_t mode);

// Makes `path` and every directory missing above it. A directory that is there
// (also through a symlink) is OK and keeps its mode. What was made before a
// failure stays.
absl::Status MkdirAllAt(int dirfd, absl::string_view path, mode_t mode);

// `flags`: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH.
absl::StatusOr<struct stat> StatAt(int dirfd, absl::string_view path,
                                   int flags = 0);
absl::StatusOr<struct stat> StatFd(int fd);

// Whether `path` can be seen (a dangling symlink counts as there).
bool ExistsAt(int dirfd, absl::string_view path);

// The text of a symlink.
absl::StatusOr<std::string> ReadlinkAt(int dirfd, absl::string_view path);

// unlinkat(2) of something that is not a directory. Missing is OK.
absl::Status UnlinkAt(int dirfd, absl::string_view path);

// rmdir(2). Missing is NOT_FOUND: callers that count (cgroups) must see it.
absl::Status RmdirAt(int dirfd, absl::string_view path);

// Removes `name` (one path component) in `dirfd` and all below it. Missing is
// OK. Follows no symlink. Never enters or removes another mount, bind mounts of
// the same file system included: at the first one it stops with
// FAILED_PRECONDITION naming it (what was removed before stays removed, nothing
// in the mount is touched). Depth is bounded by memory, not by descriptors or
// the stack. Others may remove in the same tree at the same time.
absl::Status RemoveTreeAt(int dirfd, absl::string_view name);

// renameat(2): replaces what stands at the new name.
absl::Status RenameAt(int old_dirfd, absl::string_view old_path, int new_dirfd,
                      absl::string_view new_path);

// Makes the symlink `path` with the text `target`.
absl::Status SymlinkAt(absl::string_view target, int dirfd,
                       absl::string_view path);

// fsync(2) of a file or directory; `what` names it in the error.
absl::Status FsyncFd(int fd, absl::string_view what);

struct DirEntry {
  std::string name;
  unsigned char
      type;  // DT_* of dirent.h; DT_UNKNOWN where the kernel is silent
};

// The entries of a directory without "." and "..", in the kernel's order.
absl::StatusOr<std::vector<DirEntry>> ListDirAt(int dirfd,
                                                absl::string_view path);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_FILE_H_
