// A procfs that can be trusted, and the writes that go through it.
//
// Paths like /proc/self/attr/exec in a container's mount namespace may lead to
// a file that somebody mounted there (CVE-2025-52881); the handle is a mount of
// our own that is attached nowhere. Thread safety: plain system calls.

#ifndef GANTRY_SHIM_INIT_PROC_HANDLE_H_
#define GANTRY_SHIM_INIT_PROC_HANDLE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/map.h"
#include "runtime/base/unique_fd.h"

namespace gantry::init {

// A detached procfs of the caller's PID namespace. Where one may not be made,
// /proc of the caller, if it is a procfs at its root.
absl::StatusOr<UniqueFd> OpenProc();

// Writes kernel parameters (path below /proc/sys -> value). Network ones are
// those of the caller's namespace.
absl::Status WriteSysctls(
    int proc, const google::protobuf::Map<std::string, std::string>& sysctls);

// Sets the OOM score adjustment as near to `wanted` as the kernel allows;
// names in `degraded` what was not allowed.
absl::Status SetOomScoreAdj(int proc, int32_t wanted,
                            std::vector<std::string>& degraded);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_PROC_HANDLE_H_
