// A new instance of a file system, from its name and options.
//
// Thread safety: any thread.

#ifndef GANTRY_SHIM_INIT_FILESYSTEM_H_
#define GANTRY_SHIM_INIT_FILESYSTEM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"

namespace gantry::init {

// A detached mount. `options`: "key=value" or "key"; `attributes`:
// MOUNT_ATTR_*.
absl::StatusOr<UniqueFd> NewFilesystem(
    absl::string_view type, absl::string_view source,
    const std::vector<absl::string_view>& options, uint64_t attributes);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_FILESYSTEM_H_
