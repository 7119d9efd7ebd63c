// Whether two directory trees are the same: names, types, modes, owners,
// contents, links, devices, extended attributes, which names are one file, and
// times, but for whiteouts', which no tar tells, and those of the directories
// that the tar has no entry for.
//
// Thread safety: pure function. Blocks: reads both trees whole. Both trees are
// private to the caller's process: nobody changes them meanwhile.

#ifndef GANTRY_RUNTIME_IMAGE_TREE_COMPARE_H_
#define GANTRY_RUNTIME_IMAGE_TREE_COMPARE_H_

#include <functional>
#include <set>
#include <string>

#include "absl/status/status.h"

namespace gantry::image {

// DATA_LOSS names the first difference: what `found` has, and `expected` has
// not, or the other way round. CANCELLED once `cancelled` (may be null) says
// so. `dated_directories`: those whose times count, the top one as ".".
absl::Status CompareTrees(int expected_dirfd, int found_dirfd,
                          const std::set<std::string>& dated_directories,
                          const std::function<bool()>& cancelled);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_TREE_COMPARE_H_
