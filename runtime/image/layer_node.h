// Makes and dresses one node of a layer: the calls beyond open that unpacking
// takes, each relative to a parent's descriptor and never following a link at
// its end.
//
// Thread safety: pure functions. Blocks on the disk. Errors carry the errno.

#ifndef GANTRY_RUNTIME_IMAGE_LAYER_NODE_H_
#define GANTRY_RUNTIME_IMAGE_LAYER_NODE_H_

#include <sys/types.h>
#include <time.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry::image {

// A character device, block device or fifo; `mode` holds type and permissions,
// which the umask may still cut: SetMode afterwards.
absl::Status MakeNode(int dirfd, const std::string& name, mode_t mode,
                      dev_t device);
// What overlayfs takes for a deleted name: a character device 0:0.
absl::Status MakeWhiteout(int dirfd, const std::string& name);
bool IsWhiteout(mode_t mode, dev_t device);

// The target itself is linked, also if it is a symbolic link.
absl::Status LinkNode(int from_dirfd, const std::string& from, int to_dirfd,
                      const std::string& to);

absl::Status SetOwner(int dirfd, const std::string& name, uid_t uid, gid_t gid);
// Not for symbolic links.
absl::Status SetMode(int dirfd, const std::string& name, mode_t mode);
absl::Status SetTime(int dirfd, const std::string& name, const timespec& mtime);
absl::Status SetXattr(int dirfd, const std::string& name,
                      const std::string& key, absl::string_view value);

// The same on an open file or directory.
absl::Status SetOwner(int fd, uid_t uid, gid_t gid);
absl::Status SetMode(int fd, mode_t mode);
absl::Status SetTime(int fd, const timespec& mtime);
absl::Status SetXattr(int fd, const std::string& key, absl::string_view value);

// Marks a directory (an O_PATH descriptor will do) as hiding the lower ones.
absl::Status SetOpaque(int dirfd);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_LAYER_NODE_H_
