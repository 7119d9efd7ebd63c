// Counters of the interfaces of a network namespace.
//
// Sources: rtnetlink(7), linux/rtnetlink.h, linux/if_link.h
// (rtnl_link_stats64): an RTM_GETLINK dump has them all in one answer.
// Thread safety: a socket is used by one thread at a time. Blocking: on the
// kernel's own locks only; it answers a dump while it is asked.

#ifndef GANTRY_RUNTIME_NET_LINK_STATS_LINK_STATS_H_
#define GANTRY_RUNTIME_NET_LINK_STATS_LINK_STATS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"

namespace gantry::net {

// As the namespace sees it: rx is what it received. Counted since the
// interface was made.
struct LinkStats {
  std::string name;
  bool loopback = false;
  uint64_t rx_bytes = 0;
  uint64_t rx_packets = 0;
  uint64_t rx_errors = 0;
  uint64_t rx_dropped = 0;
  uint64_t tx_bytes = 0;
  uint64_t tx_packets = 0;
  uint64_t tx_errors = 0;
  uint64_t tx_dropped = 0;
};

// A socket for ReadLinkStats in the namespace `netns_fd` (borrowed). The
// namespace exists for as long as the socket does.
absl::StatusOr<UniqueFd> OpenLinkSocket(int netns_fd);

// All interfaces, in order of their index.
absl::StatusOr<std::vector<LinkStats>> ReadLinkStats(int socket);

// Takes the links out of one datagram of the answer. True: it was the last.
// INTERNAL for what is no such answer, or the kernel's error.
absl::StatusOr<bool> ParseLinkStats(absl::string_view datagram,
                                    std::vector<LinkStats>& links);

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_LINK_STATS_LINK_STATS_H_
