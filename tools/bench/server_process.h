// The process that listens on a server's socket, and when it is another one.
//
// Where a service manager made the socket and handed it on, it is the service
// manager that is found. Thread safety: plain functions. Blocking: a connect(2)
// to a local socket.

#ifndef GANTRY_TOOLS_BENCH_SERVER_PROCESS_H_
#define GANTRY_TOOLS_BENCH_SERVER_PROCESS_H_

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace gantry::bench {

// `endpoint`: as ctl::SocketPath reads it. UNAVAILABLE or NOT_FOUND while
// nobody listens; FAILED_PRECONDITION for a server that this PID namespace does
// not see.
absl::StatusOr<pid_t> ServerPid(const std::string& endpoint);

// Differs between a server and its successor: by the process, or by the
// socket's file, which a new one makes anew.
struct ServerIdentity {
  pid_t pid = 0;
  uint64_t start_ticks = 0;
  uint64_t socket_inode = 0;
  auto operator<=>(const ServerIdentity&) const = default;
};
// `procfd`: a directory descriptor of /proc.
absl::StatusOr<ServerIdentity> IdentityOf(int procfd,
                                          const std::string& endpoint);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_SERVER_PROCESS_H_
