// SELinux labels of files: the extended attribute "security.selinux".
//
// Blocks on the disk. Thread safety: reentrant. A file system that keeps no
// labels (ENOTSUP) is left as it is, without an error. Source: xattr(7),
// selinux(8).

#ifndef GANTRY_RUNTIME_SYS_SECURITY_LABEL_H_
#define GANTRY_RUNTIME_SYS_SECURITY_LABEL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gantry::sys {

// Of what descriptor `fd` (O_PATH will do) refers to; "" if it has none.
absl::StatusOr<std::string> LabelOf(int fd);

// Sets the label of what descriptor `fd` (O_PATH will do) refers to.
absl::Status SetLabel(int fd, const std::string& label);

// Sets the label of all below directory `dirfd`, but not its own. Symlinks are
// labelled themselves, never followed; what vanishes meanwhile is passed over.
// RESOURCE_EXHAUSTED for directories nested deeper than 400.
absl::Status SetLabelsBelow(int dirfd, const std::string& label);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_SECURITY_LABEL_H_
