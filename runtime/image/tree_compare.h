// Whether two directory trees are the same: names, types, modes, owners,
// contents, links, devices, extended attributes, which names are one file, and
// the times of files. Times of directories and of whiteouts are not compared:
// the former change with what is put into them, the latter no tar tells.
//
// Thread safety: pure function. Blocks: reads both trees whole. Both trees are
// private to the caller's process: nobody changes them meanwhile.

#ifndef GANTRY_RUNTIME_IMAGE_TREE_COMPARE_H_
#define GANTRY_RUNTIME_IMAGE_TREE_COMPARE_H_

#include <functional>

#include "absl/status/status.h"

namespace gantry::image {

// DATA_LOSS names the first difference: what `found` has, and `expected` has
// not, or the other way round. CANCELLED once `cancelled` (may be null) says
// so.
absl::Status CompareTrees(int expected_dirfd, int found_dirfd,
                          const std::function<bool()>& cancelled);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_TREE_COMPARE_H_
