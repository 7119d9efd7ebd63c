// The place of the listening socket.

#ifndef GANTRY_SERVER_SOCKET_PATH_H_
#define GANTRY_SERVER_SOCKET_PATH_H_

#include <string>

#include "absl/status/status.h"

namespace gantry::server {

// Makes `path` free to be bound: its directory is made if missing (0700), a
// socket that nobody listens on any more is removed. FAILED_PRECONDITION if
// somebody does, or if something else than a socket stands there.
// Blocks for a few file system calls.
absl::Status FreeSocketPath(const std::string& path);

}  // namespace gantry::server

#endif  // GANTRY_SERVER_SOCKET_PATH_H_
