// Mounts: the new API by descriptor (open_tree(2), move_mount(2), fsopen(2),
// fsconfig(2), fsmount(2), mount_setattr(2)) and the classic calls.
//
// Thin: flags are the kernel's, from <sys/mount.h>. Errors name the call's verb
// and objects; errors of a file system context carry the kernel's own words
// where it left some. UNIMPLEMENTED (ENOSYS): this kernel lacks the call.
// Thread safety: any thread, on the calling thread's mount namespace.

#ifndef GANTRY_RUNTIME_SYS_MOUNT_H_
#define GANTRY_RUNTIME_SYS_MOUNT_H_

#include <sys/mount.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

// A mount, or with OPEN_TREE_CLONE (and AT_RECURSIVE) a detached copy that is
// dropped with the descriptor. OPEN_TREE_CLOEXEC is added. An empty path (with
// AT_EMPTY_PATH) is `dirfd` itself.
absl::StatusOr<UniqueFd> OpenTree(int dirfd, absl::string_view path,
                                  unsigned flags);

// `flags`: MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH, ...
absl::Status MoveMount(int from_fd, absl::string_view from_path, int to_fd,
                       absl::string_view to_path, unsigned flags);
// The usual case: a detached mount onto what `target_fd` names.
absl::Status AttachMount(int mount_fd, int target_fd);

// A file system context; FSOPEN_CLOEXEC is added.
absl::StatusOr<UniqueFd> FsOpen(absl::string_view fs_type);
absl::Status FsConfigFlag(int fs_fd, absl::string_view key);
absl::Status FsConfigString(int fs_fd, absl::string_view key,
                            absl::string_view value);
absl::Status FsConfigFd(int fs_fd, absl::string_view key, int value_fd);
absl::Status FsConfigCreate(int fs_fd);
// The detached mount of a created context; `attributes`: MOUNT_ATTR_*.
// FSMOUNT_CLOEXEC is added.
absl::StatusOr<UniqueFd> FsMount(int fs_fd, unsigned attributes);

struct MountAttributes {
  uint64_t set = 0;          // MOUNT_ATTR_*
  uint64_t clear = 0;        // MOUNT_ATTR_*
  uint64_t propagation = 0;  // MS_PRIVATE, MS_SLAVE, MS_SHARED or 0
  int userns_fd = -1;        // with MOUNT_ATTR_IDMAP
};

// `flags`: AT_EMPTY_PATH, AT_RECURSIVE, ...
absl::Status MountSetAttr(int dirfd, absl::string_view path, unsigned flags,
                          const MountAttributes& attributes);

// mount(2). Empty strings stand for null pointers. `data` is not shown in the
// error: it may be long and may hold secrets.
absl::Status Mount(absl::string_view source, absl::string_view target,
                   absl::string_view fs_type, unsigned long flags,
                   absl::string_view data = "");

// umount2(2). Not mounted is INVALID_ARGUMENT (EINVAL), missing NOT_FOUND.
absl::Status Umount(absl::string_view target, int flags = 0);

absl::Status PivotRoot(absl::string_view new_root, absl::string_view put_old);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_MOUNT_H_
