// One message of the protocol between server and shim, with its descriptors.
//
// Thread safety: pure functions over a socket; they never block on a
// non-blocking one.

#ifndef GANTRY_SERVER_SHIM_ENVELOPE_H_
#define GANTRY_SERVER_SHIM_ENVELOPE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"

namespace gantry::shim_client {

inline constexpr uint32_t kProtocolVersion = 1;

struct Incoming {
  shim::Envelope envelope;
  std::vector<UniqueFd> fds;
};

// INVALID_ARGUMENT if the message is over the protocol's limit; IsWouldBlock
// if the socket has no room now.
absl::Status SendEnvelope(int socket, const shim::Envelope& envelope,
                          const std::vector<UniqueFd>& fds);

// IsWouldBlock if nothing has come; OUT_OF_RANGE at the end of the connection.
absl::StatusOr<Incoming> ReceiveEnvelope(int socket);

bool IsWouldBlock(const absl::Status& status);

absl::Status SetNonBlocking(int fd);

// What a shim reported, with its errno kept.
absl::Status StatusOfError(const shim::Error& error);

// "exec", "signal", ...: for error texts.
absl::string_view RequestName(const shim::Envelope& request);

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_ENVELOPE_H_
