// Starting a process of the shim's program, in whatever mode.
//
// Thread safety: any thread. Blocks for the execve.

#ifndef GANTRY_SERVER_SHIM_SHIM_PROCESS_H_
#define GANTRY_SERVER_SHIM_SHIM_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"

namespace gantry::shim_client {

// Nobody's child.
struct ShimProcess {
  pid_t pid = 0;
  UniqueFd pidfd;
  // Our end, which does not block, of what is descriptor 3 there.
  UniqueFd socket;
};

// `binary`: the program; `donated` become descriptors 4, 5, ... All borrowed.
absl::StatusOr<ShimProcess> StartShim(int binary, std::vector<std::string> argv,
                                      const std::vector<int>& donated);

bool Lives(const ShimProcess& process);

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_SHIM_PROCESS_H_
