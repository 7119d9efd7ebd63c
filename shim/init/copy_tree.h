// Copies a directory of an image to one of the host.
//
// The source is an image's and so hostile, but nobody changes it meanwhile: no
// symlink is followed, no path is looked up twice, nothing outside is reached.
// Thread safety: plain system calls. Blocks as the disk does.

#ifndef GANTRY_SHIM_INIT_COPY_TREE_H_
#define GANTRY_SHIM_INIT_COPY_TREE_H_

#include "absl/status/status.h"

namespace gantry::init {

// Everything in the directory `from` to the empty directory `to`, which also
// gets its mode and owner: files, directories, symlinks, hard links, device
// nodes, FIFOs and sockets, with owners, modes, extended attributes (but
// security labels) and times of change. RESOURCE_EXHAUSTED for directories
// nested deeper than 200.
absl::Status CopyTree(int from, int to);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_COPY_TREE_H_
