// Gives the files of a mount's source an SELinux label, so that the container
// may use them.
//
// Runs before the container's root is entered: paths are the host's. Blocks
// for a walk over the tree. Sources: selinux(8), xattr(7), CRI's
// Mount.selinux_relabel.

#ifndef GANTRY_SHIM_INIT_RELABEL_H_
#define GANTRY_SHIM_INIT_RELABEL_H_

#include <string>

#include "absl/status/status.h"

namespace gantry::init {

// Sets the label of `path` (symlinks on the way are followed) and of all below
// it (symlinks are labelled themselves, never followed). PERMISSION_DENIED for
// what is the whole host's: its system directories and the files of its users
// and resolver, by whatever path or name they are reached (CVE-2021-43816). A
// file system without labels (ENOTSUP) is left as it is.
absl::Status Relabel(const std::string& path, const std::string& label);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_RELABEL_H_
