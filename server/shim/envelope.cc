#include "server/shim/envelope.h"

#include <errno.h>
#include <fcntl.h>

#include <utility>

#include "runtime/base/status.h"
#include "runtime/wire/envelope_channel.h"

namespace gantry::shim_client {

absl::Status SendEnvelope(int socket, const shim::Envelope& envelope,
                          const std::vector<UniqueFd>& fds) {
  std::vector<int> numbers;
  numbers.reserve(fds.size());
  for (const UniqueFd& fd : fds) numbers.push_back(fd.get());
  return wire::SendMessage(socket, envelope, numbers);
}

absl::StatusOr<Incoming> ReceiveEnvelope(int socket) {
  Incoming incoming;
  ASSIGN_OR_RETURN(incoming.fds,
                   wire::ReceiveMessage(socket, incoming.envelope));
  return incoming;
}

bool IsWouldBlock(const absl::Status& status) {
  return ErrnoOf(status) == EAGAIN;
}

absl::Status SetNonBlocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "make a descriptor non-blocking");
  }
  return absl::OkStatus();
}

absl::Status StatusOfError(const shim::Error& error) {
  auto code = static_cast<absl::StatusCode>(error.code());
  if (code == absl::StatusCode::kOk) code = absl::StatusCode::kUnknown;
  absl::Status status(code, error.message());
  if (error.errno_value() == 0) return status;
  // The text names the errno already; only the payload is wanted.
  ErrnoStatus(code, error.errno_value(), "")
      .ForEachPayload(
          [&status](absl::string_view url, const absl::Cord& payload) {
            status.SetPayload(url, payload);
          });
  return status;
}

absl::string_view RequestName(const shim::Envelope& request) {
  switch (request.body_case()) {
    case shim::Envelope::kStateRequest:
      return "state";
    case shim::Envelope::kSignalRequest:
      return "signal";
    case shim::Envelope::kExecRequest:
      return "exec";
    case shim::Envelope::kExecSignalRequest:
      return "exec signal";
    case shim::Envelope::kReopenLogRequest:
      return "reopen log";
    case shim::Envelope::kResizeRequest:
      return "resize";
    case shim::Envelope::kAttachRequest:
      return "attach";
    case shim::Envelope::kCloseStdinRequest:
      return "close stdin";
    default:
      return "unknown";
  }
}

}  // namespace gantry::shim_client
