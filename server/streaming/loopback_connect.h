// Connecting a socket to a port of its own host, or pod.

#ifndef GANTRY_SERVER_STREAMING_LOOPBACK_CONNECT_H_
#define GANTRY_SERVER_STREAMING_LOOPBACK_CONNECT_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "boost/asio/io_context.hpp"
#include "runtime/base/unique_fd.h"

namespace gantry::streaming {

// Connects `socket` (TCP, non-blocking) to 127.0.0.1 (AF_INET) or ::1
// (AF_INET6). `done` is called once, never from within, with the connected
// socket or why not; DEADLINE_EXCEEDED after ten seconds. Thread safety: on the
// thread of `io`.
void ConnectToLoopback(boost::asio::io_context& io, UniqueFd socket, int domain,
                       uint16_t port,
                       std::function<void(absl::StatusOr<UniqueFd>)> done);

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_LOOPBACK_CONNECT_H_
