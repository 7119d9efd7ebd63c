// One protobuf-lite message with descriptors per SOCK_SEQPACKET message: what
// server and shim speak (docs/shim_protocol.md).
//
// The caller names the descriptors' order in its message type. Thread safety
// and blocking: as sys::Send and sys::Receive.

#ifndef GANTRY_RUNTIME_WIRE_ENVELOPE_CHANNEL_H_
#define GANTRY_RUNTIME_WIRE_ENVELOPE_CHANNEL_H_

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"

namespace gantry::wire {

// Fits the default socket buffer of Linux (208 KiB, net.core.wmem_default).
inline constexpr size_t kMaxMessageBytes = 192 * 1024;

// INVALID_ARGUMENT, with both sizes, for a message over the limit, and for one
// without a single field set (it has no bytes). Otherwise as
// sys::Send: UNAVAILABLE with EAGAIN when a non-blocking socket is full.
absl::Status SendMessage(int fd, const google::protobuf::MessageLite& message,
                         std::span<const int> fds = {});

// Receives into `message` and gives the descriptors that came with it.
// OUT_OF_RANGE at the peer's end (sys::IsEndOfStream), UNAVAILABLE with EAGAIN
// when nothing is there, DATA_LOSS for bytes that are not such a message,
// RESOURCE_EXHAUSTED over the limits. After the last two `message` is cleared
// and the connection should be given up.
absl::StatusOr<std::vector<UniqueFd>> ReceiveMessage(
    int fd, google::protobuf::MessageLite& message);

}  // namespace gantry::wire

#endif  // GANTRY_RUNTIME_WIRE_ENVELOPE_CHANNEL_H_
