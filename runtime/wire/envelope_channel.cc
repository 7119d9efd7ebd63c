#include "runtime/wire/envelope_channel.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/seqpacket.h"

namespace gantry::wire {

absl::Status SendMessage(int fd, const google::protobuf::MessageLite& message,
                         std::span<const int> fds) {
  const size_t size = message.ByteSizeLong();
  if (size > kMaxMessageBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("send ", message.GetTypeName(), ": ", size,
                     " bytes, at most ", kMaxMessageBytes));
  }
  std::string bytes;
  if (!message.SerializeToString(&bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("send ", message.GetTypeName(), ": not complete"));
  }
  RETURN_IF_ERROR(sys::Send(fd, bytes, fds)) << message.GetTypeName();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<UniqueFd>> ReceiveMessage(
    int fd, google::protobuf::MessageLite& message) {
  message.Clear();
  ASSIGN_OR_RETURN(sys::Message received, sys::Receive(fd, kMaxMessageBytes),
                   message.GetTypeName());
  if (!message.ParseFromString(received.data)) {
    message.Clear();
    return absl::DataLossError(
        absl::StrCat("receive message: ", received.data.size(),
                     " bytes that are no ", message.GetTypeName()));
  }
  return std::move(received.fds);
}

}  // namespace gantry::wire
