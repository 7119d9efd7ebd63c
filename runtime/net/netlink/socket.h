// A netlink socket: sends a batch, collects what the kernel says to it.
//
// rtnetlink and nfnetlink carry a request out within sendmsg(2), so the answers
// are there when it returns: nothing waits for longer than the kernel works.
// Thread safety: one user at a time. Blocking: on the kernel's own locks.
// Errors: ErrnoStatus with the message's name and the kernel's explanation
// where it gives one (extended ack).

#ifndef GANTRY_RUNTIME_NET_NETLINK_SOCKET_H_
#define GANTRY_RUNTIME_NET_NETLINK_SOCKET_H_

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"
#include "runtime/net/netlink/message.h"

namespace gantry::netlink {

class Socket {
 public:
  // `protocol`: NETLINK_ROUTE, NETLINK_NETFILTER.
  static absl::StatusOr<Socket> Open(int protocol);
  // The same in another network namespace (`netns_fd`, borrowed).
  static absl::StatusOr<Socket> OpenIn(int netns_fd, int protocol);

  // Sends all messages at once and returns what became of each. Every one is
  // tried, whatever became of those before (rtnetlink); or all or none are
  // done (an nfnetlink batch). Fails as a whole if it could not be sent.
  absl::StatusOr<std::vector<absl::Status>> TrySend(const Batch& batch);
  // The same; the first failure.
  absl::Status Send(const Batch& batch);

  // Sends one request and hands each message of the answer to `take`, once
  // complete: an answer that the kernel changed while it was read is asked for
  // again. The request has NLM_F_DUMP for a list; without, one object.
  absl::Status Query(const Batch& request,
                     const std::function<void(const Message&)>& take);

 private:
  explicit Socket(UniqueFd fd) : fd_(std::move(fd)) {}
  static absl::StatusOr<Socket> SetUp(UniqueFd fd);
  absl::Status SendBytes(const Batch& batch);
  absl::StatusOr<bool> QueryOnce(const Batch& request,
                                 std::vector<std::string>& datagrams);

  UniqueFd fd_;
};

}  // namespace gantry::netlink

#endif  // GANTRY_RUNTIME_NET_NETLINK_SOCKET_H_
