#include "runtime/net/bridge/port_table.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "runtime/base/unique_fd.h"

namespace gantry::net {
namespace {

bool Collide(const IpAddress& a, const IpAddress& b) {
  return a == b || a.IsAny() || b.IsAny();
}

sockaddr_storage SocketAddress(const PortMapping& mapping, socklen_t& size) {
  sockaddr_storage storage{};
  if (mapping.host_ip.v6) {
    auto* address = reinterpret_cast<sockaddr_in6*>(&storage);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(mapping.host_port);
    std::copy_n(mapping.host_ip.octets.begin(), 16, address->sin6_addr.s6_addr);
    size = sizeof *address;
  } else {
    auto* address = reinterpret_cast<sockaddr_in*>(&storage);
    address->sin_family = AF_INET;
    address->sin_port = htons(mapping.host_port);
    std::copy_n(mapping.host_ip.octets.begin(), 4,
                reinterpret_cast<uint8_t*>(&address->sin_addr));
    size = sizeof *address;
  }
  return storage;
}

}  // namespace

absl::string_view ProtocolName(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
      return "tcp";
    case Protocol::kUdp:
      return "udp";
    case Protocol::kSctp:
      return "sctp";
  }
  return "?";
}

std::string PortText(const PortMapping& mapping) {
  std::string text =
      absl::StrCat(ProtocolName(mapping.protocol), " port ", mapping.host_port);
  if (!mapping.host_ip.IsAny()) {
    absl::StrAppend(&text, " of ", mapping.host_ip.ToString());
  }
  return text;
}

absl::Status PortTable::Take(const std::string& pod_id,
                             const std::vector<PortMapping>& ports) {
  for (const PortMapping& mapping : ports) {
    const Key key(mapping.host_port, mapping.protocol, mapping.host_ip.v6);
    const auto [begin, end] = holders_.equal_range(key);
    const auto holder = std::find_if(begin, end, [&](const auto& entry) {
      return Collide(entry.second.host_ip, mapping.host_ip);
    });
    if (holder != end) {
      const std::string by = holder->second.pod_id;
      Release(pod_id);
      return absl::FailedPreconditionError(
          absl::StrCat(PortText(mapping), " is taken by pod ", by));
    }
    holders_.emplace(key, Holder{mapping.host_ip, pod_id});
  }
  return absl::OkStatus();
}

void PortTable::Release(const std::string& pod_id) {
  std::erase_if(holders_, [&](const auto& entry) {
    return entry.second.pod_id == pod_id;
  });
}

bool IsListenedTo(const PortMapping& mapping) {
  const bool udp = mapping.protocol == Protocol::kUdp;
  UniqueFd fd(socket(mapping.host_ip.v6 ? AF_INET6 : AF_INET,
                     (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
                     mapping.protocol == Protocol::kSctp ? IPPROTO_SCTP : 0));
  if (!fd.valid()) return false;
  const int on = 1;
  // Connections that ended a moment ago are no listeners.
  if (!udp) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (mapping.host_ip.v6) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  socklen_t size = 0;
  const sockaddr_storage address = SocketAddress(mapping, size);
  return bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) !=
             0 &&
         errno == EADDRINUSE;
}

}  // namespace gantry::net
