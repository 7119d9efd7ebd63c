// The working directory, proven to lie in the rootfs.
//
// Thread safety: changes the calling process's working directory.

#ifndef GANTRY_SHIM_INIT_WORKING_DIRECTORY_H_
#define GANTRY_SHIM_INIT_WORKING_DIRECTORY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"
#include "shim/init/user_lookup.h"

namespace gantry::init {

enum class IfMissing { kMake, kFail };

// Opens `cwd` ("" is "/") inside the root; kMake makes what is missing, the
// last directory owned by the user.
absl::StatusOr<UniqueFd> OpenWorkingDirectory(int root, const std::string& cwd,
                                              IfMissing if_missing,
                                              const ResolvedUser& user);

// Changes into it and proves by getcwd(2) that it can be reached from the root
// directory (CVE-2024-21626). To be called with the rootfs as root directory.
absl::Status EnterWorkingDirectory(int directory, const std::string& cwd);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_WORKING_DIRECTORY_H_
