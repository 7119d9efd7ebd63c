// The file exit.pb that a shim leaves in the container's run directory.
//
// It is written atomically before the shim says Exited: where it is present
// the container has ended, whatever else is seen.
// Thread safety: a pure function of the file. Reads one small file.

#ifndef GANTRY_SERVER_SHIM_EXIT_RECORD_H_
#define GANTRY_SERVER_SHIM_EXIT_RECORD_H_

#include "absl/status/statusor.h"
#include "proto/shim.pb.h"

namespace gantry::shim_client {

// NOT_FOUND: there is none. DATA_LOSS: it is not a serialized shim::Exited.
absl::StatusOr<shim::Exited> ReadExitRecord(int run_dir_fd);

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_EXIT_RECORD_H_
