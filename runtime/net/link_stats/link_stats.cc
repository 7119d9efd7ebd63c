#include "runtime/net/link_stats/link_stats.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/sys/netns_socket.h"

namespace gantry::net {
namespace {

// What the kernel fills at most per datagram of a dump.
constexpr size_t kDatagramBytes = 32 << 10;
// It answers while it is asked; this is for a kernel that is broken.
constexpr timeval kPatience{2, 0};

// A fixed part of `bytes`, which need not be aligned in them.
template <typename Struct>
bool Get(absl::string_view bytes, Struct* to) {
  if (bytes.size() < sizeof *to) return false;
  memcpy(to, bytes.data(), sizeof *to);
  return true;
}

// What stands behind `size` bytes and their padding.
absl::string_view After(absl::string_view bytes, size_t size) {
  bytes.remove_prefix(std::min<size_t>(NLMSG_ALIGN(size), bytes.size()));
  return bytes;
}

void SetCounters(absl::string_view value, LinkStats& link) {
  // An older kernel gives a shorter one: what it lacks stays 0.
  rtnl_link_stats64 stats{};
  memcpy(&stats, value.data(), std::min(value.size(), sizeof stats));
  link.rx_bytes = stats.rx_bytes;
  link.rx_packets = stats.rx_packets;
  link.rx_errors = stats.rx_errors;
  link.rx_dropped = stats.rx_dropped;
  link.tx_bytes = stats.tx_bytes;
  link.tx_packets = stats.tx_packets;
  link.tx_errors = stats.tx_errors;
  link.tx_dropped = stats.tx_dropped;
}

absl::StatusOr<LinkStats> ParseLink(absl::string_view payload) {
  ifinfomsg info;
  if (!Get(payload, &info)) {
    return absl::InternalError("read interfaces: a message is cut off");
  }
  LinkStats link;
  link.loopback = (info.ifi_flags & IFF_LOOPBACK) != 0;
  absl::string_view rest = After(payload, sizeof info);
  rtattr attribute;
  while (Get(rest, &attribute)) {
    if (attribute.rta_len < sizeof attribute ||
        attribute.rta_len > rest.size()) {
      return absl::InternalError("read interfaces: an attribute is cut off");
    }
    absl::string_view value =
        rest.substr(sizeof attribute, attribute.rta_len - sizeof attribute);
    if (attribute.rta_type == IFLA_IFNAME) {
      link.name = std::string(value.substr(0, value.find('\0')));
    } else if (attribute.rta_type == IFLA_STATS64) {
      SetCounters(value, link);
    }
    rest = After(rest, attribute.rta_len);
  }
  return link;
}

absl::Status SendRequest(int socket) {
  struct {
    nlmsghdr header;
    ifinfomsg info;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.info.ifi_family = AF_UNSPEC;
  if (send(socket, &request, sizeof request, 0) != sizeof request) {
    return ErrnoStatus(errno, "ask for interfaces");
  }
  return absl::OkStatus();
}

// What an earlier call left unread, if it broke off.
void Discard(int socket) {
  char byte;
  while (recv(socket, &byte, 1, MSG_DONTWAIT) >= 0) {
  }
}

}  // namespace

absl::StatusOr<UniqueFd> OpenLinkSocket(int netns_fd) {
  ASSIGN_OR_RETURN(
      UniqueFd socket,
      sys::SocketInNamespace(netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  if (setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience,
                 sizeof kPatience) != 0) {
    return ErrnoStatus(errno, "set the timeout of a netlink socket");
  }
  return socket;
}

absl::StatusOr<std::vector<LinkStats>> ReadLinkStats(int socket) {
  Discard(socket);
  RETURN_IF_ERROR(SendRequest(socket));
  std::vector<LinkStats> links;
  std::string buffer(kDatagramBytes, '\0');
  while (true) {
    const ssize_t size = recv(socket, buffer.data(), buffer.size(), MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(errno, "read interfaces");
    if (size > buffer.size()) {
      return absl::InternalError("read interfaces: an answer is too long");
    }
    ASSIGN_OR_RETURN(
        bool last,
        ParseLinkStats(absl::string_view(buffer.data(), size), links));
    if (last) return links;
  }
}

absl::StatusOr<bool> ParseLinkStats(absl::string_view datagram,
                                    std::vector<LinkStats>& links) {
  nlmsghdr header;
  while (Get(datagram, &header)) {
    if (header.nlmsg_len < sizeof header ||
        header.nlmsg_len > datagram.size()) {
      return absl::InternalError("read interfaces: a message is cut off");
    }
    absl::string_view payload =
        datagram.substr(sizeof header, header.nlmsg_len - sizeof header);
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      nlmsgerr error;
      if (!Get(payload, &error)) error.error = -EPROTO;
      return ErrnoStatus(-error.error, "read interfaces");
    }
    if (header.nlmsg_type == RTM_NEWLINK) {
      ASSIGN_OR_RETURN(LinkStats link, ParseLink(payload));
      links.push_back(std::move(link));
    }
    datagram = After(datagram, header.nlmsg_len);
  }
  return false;
}

}  // namespace gantry::net
