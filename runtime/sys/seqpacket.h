// AF_UNIX SOCK_SEQPACKET sockets (unix(7)): whole messages, with descriptors.
//
// Path names only, never abstract ones (those have no permissions). `flags`
// may be SOCK_NONBLOCK; all are SOCK_CLOEXEC.
// Thread safety: any thread, but one reader per socket. Blocking: unless
// SOCK_NONBLOCK; then "not now" is UNAVAILABLE with ErrnoOf EAGAIN. A peer that
// is gone is UNAVAILABLE with EPIPE or ECONNRESET, never SIGPIPE.

#ifndef GANTRY_RUNTIME_SYS_SEQPACKET_H_
#define GANTRY_RUNTIME_SYS_SEQPACKET_H_

#include <sys/socket.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

// More descriptors than this in one message are refused on both ends.
inline constexpr size_t kMaxMessageFds = 32;

struct Message {
  std::string data;
  std::vector<UniqueFd> fds;  // O_CLOEXEC
};

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair(int flags = 0);

// Makes and listens on the socket file `name` (one path component, any depth
// of directory) in `dirfd`, mode 0600 from the start. An existing name is
// ALREADY_EXISTS: the caller knows whether it may be unlinked.
absl::StatusOr<UniqueFd> ListenAt(int dirfd, absl::string_view name,
                                  int flags = 0);
// NOT_FOUND: no such file; UNAVAILABLE (ECONNREFUSED): nobody listens.
absl::StatusOr<UniqueFd> ConnectAt(int dirfd, absl::string_view name,
                                   int flags = 0);
absl::StatusOr<UniqueFd> Accept(int fd, int flags = 0);

// Sends one message, whole or not at all. Empty data is refused (it would read
// as the end); too long for the socket's buffer is INVALID_ARGUMENT.
absl::Status Send(int fd, absl::string_view data,
                  std::span<const int> fds = {});

// Receives one message. A message over `max_bytes` or with too many descriptors
// is taken off, its descriptors closed, and reported as RESOURCE_EXHAUSTED.
// The peer's orderly end is OUT_OF_RANGE: see IsEndOfStream. What a peer has
// sent before it was gone is received first, whatever it left unread.
absl::StatusOr<Message> Receive(int fd, size_t max_bytes);

bool IsEndOfStream(const absl::Status& status);

// Who was at the other end when the connection was made.
absl::StatusOr<struct ucred> PeerCredentials(int fd);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_SEQPACKET_H_
