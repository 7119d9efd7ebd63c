#include "runtime/net/netlink/socket.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/netns_socket.h"

namespace gantry::netlink {
namespace {

// More than the kernel ever puts into one datagram (32 KiB and a page).
constexpr size_t kDatagramBytes = 64 << 10;
// What a socket takes by default (net.core.wmem_default, less overhead).
constexpr size_t kPlainSendBytes = 64 << 10;
constexpr int kQueryTries = 8;

// The kernel's answer to one request: OK is an acknowledgement.
struct Verdict {
  int error_number = 0;
  std::string explanation;
};

std::optional<Verdict> VerdictOf(const Message& message) {
  if (message.type != NLMSG_ERROR && message.type != NLMSG_DONE) {
    return std::nullopt;
  }
  Verdict verdict;
  std::optional<int> error = message.Header<int>();
  verdict.error_number = error.has_value() ? -*error : 0;
  if (message.type == NLMSG_ERROR && (message.flags & NLM_F_ACK_TLVS) != 0 &&
      (message.flags & NLM_F_CAPPED) != 0) {
    verdict.explanation = message.After<nlmsgerr>().FindText(NLMSGERR_ATTR_MSG);
  }
  return verdict;
}

absl::Status StatusOf(const Verdict& verdict, absl::string_view what) {
  if (verdict.error_number == 0) return absl::OkStatus();
  if (verdict.explanation.empty()) {
    return ErrnoStatus(verdict.error_number, what);
  }
  return ErrnoStatus(verdict.error_number,
                     absl::StrCat(what, " (", verdict.explanation, ")"));
}

// One datagram; empty if none is there (with MSG_DONTWAIT): the kernel sends no
// empty ones.
absl::StatusOr<std::string> Receive(int fd, int flags) {
  std::string buffer(kDatagramBytes, '\0');
  ssize_t length;
  do {
    length = recv(fd, buffer.data(), buffer.size(), flags | MSG_TRUNC);
  } while (length < 0 && errno == EINTR);
  if (length < 0 && errno == EAGAIN) return std::string();
  if (length < 0) return ErrnoStatus(errno, "read a netlink answer");
  if (static_cast<size_t>(length) > buffer.size()) {
    return absl::InternalError("read a netlink answer: it is too long");
  }
  buffer.resize(static_cast<size_t>(length));
  return buffer;
}

}  // namespace

absl::StatusOr<Socket> Socket::SetUp(UniqueFd fd) {
  const int on = 1;
  // Explanations, and without the request repeated in front of them.
  for (int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
    if (setsockopt(fd.get(), SOL_NETLINK, option, &on, sizeof on) != 0) {
      return ErrnoStatus(errno, "set a netlink socket's options");
    }
  }
  return Socket(std::move(fd));
}

absl::StatusOr<Socket> Socket::Open(int protocol) {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd.valid()) return ErrnoStatus(errno, "open a netlink socket");
  return SetUp(std::move(fd));
}

absl::StatusOr<Socket> Socket::OpenIn(int netns_fd, int protocol) {
  ASSIGN_OR_RETURN(UniqueFd fd, sys::SocketInNamespace(netns_fd, AF_NETLINK,
                                                       SOCK_RAW, protocol));
  return SetUp(std::move(fd));
}

absl::Status Socket::SendBytes(const Batch& batch) {
  if (batch.overflown()) {
    return absl::InvalidArgumentError(
        absl::StrCat(batch.whats().front(),
                     ": a netlink attribute is longer "
                     "than 65535 bytes"));
  }
  const std::string& bytes = batch.bytes();
  if (bytes.size() > kPlainSendBytes) {
    const int size =
        static_cast<int>(std::min<size_t>(2 * bytes.size(), size_t{1} << 30));
    // If it is not allowed, sendto says that the message is too long.
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  }
  ssize_t sent;
  do {
    sent = send(fd_.get(), bytes.data(), bytes.size(), 0);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return ErrnoStatus(errno, batch.whats().front());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<absl::Status>> Socket::TrySend(const Batch& batch) {
  std::vector<absl::Status> results(batch.whats().size());
  if (batch.empty()) return results;
  RETURN_IF_ERROR(SendBytes(batch));
  while (true) {
    ASSIGN_OR_RETURN(std::string datagram, Receive(fd_.get(), MSG_DONTWAIT));
    if (datagram.empty()) return results;
    for (const Message& message : SplitMessages(datagram)) {
      std::optional<Verdict> verdict = VerdictOf(message);
      const size_t index = message.sequence - 1;
      if (!verdict.has_value() || index >= results.size()) continue;
      results[index].Update(StatusOf(*verdict, batch.whats()[index]));
    }
  }
}

absl::Status Socket::Send(const Batch& batch) {
  ASSIGN_OR_RETURN(std::vector<absl::Status> results, TrySend(batch));
  for (absl::Status& result : results) {
    if (!result.ok()) return std::move(result);
  }
  return absl::OkStatus();
}

// Whether the answer was consistent.
absl::StatusOr<bool> Socket::QueryOnce(const Batch& request,
                                       std::vector<std::string>& datagrams) {
  RETURN_IF_ERROR(SendBytes(request));
  bool consistent = true;
  while (true) {
    ASSIGN_OR_RETURN(std::string datagram, Receive(fd_.get(), 0));
    bool more = false;
    for (const Message& message : SplitMessages(datagram)) {
      if ((message.flags & NLM_F_DUMP_INTR) != 0) consistent = false;
      std::optional<Verdict> verdict = VerdictOf(message);
      if (verdict.has_value()) {
        RETURN_IF_ERROR(StatusOf(*verdict, request.whats().front()));
        return consistent;
      }
      more = (message.flags & NLM_F_MULTI) != 0;
    }
    datagrams.push_back(std::move(datagram));
    if (!more) return consistent;
  }
}

absl::Status Socket::Query(const Batch& request,
                           const std::function<void(const Message&)>& take) {
  std::vector<std::string> datagrams;
  for (int i = 0; i < kQueryTries; ++i) {
    datagrams.clear();
    ASSIGN_OR_RETURN(bool consistent, QueryOnce(request, datagrams));
    if (!consistent) continue;
    for (const std::string& datagram : datagrams) {
      for (const Message& message : SplitMessages(datagram)) take(message);
    }
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(
      request.whats().front(), ": it changed each time while it was read"));
}

}  // namespace gantry::netlink
