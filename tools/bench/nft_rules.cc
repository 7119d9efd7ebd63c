#include "tools/bench/nft_rules.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "runtime/base/status.h"
#include "runtime/net/netlink/message.h"
#include "runtime/net/netlink/socket.h"

namespace gantry::bench {

absl::StatusOr<int64_t> CountNftRules(int netns_fd) {
  constexpr uint16_t kSubsystem = NFNL_SUBSYS_NFTABLES << 8;
  ASSIGN_OR_RETURN(netlink::Socket socket,
                   netlink::Socket::OpenIn(netns_fd, NETLINK_NETFILTER));
  netlink::Batch request;
  request.Begin(kSubsystem | NFT_MSG_GETRULE, NLM_F_DUMP, "list rules");
  nfgenmsg header{};
  header.nfgen_family = NFPROTO_UNSPEC;
  header.version = NFNETLINK_V0;
  request.Header(header);
  int64_t count = 0;
  RETURN_IF_ERROR(
      socket.Query(request, [&count](const netlink::Message& message) {
        if (message.type == (kSubsystem | NFT_MSG_NEWRULE)) ++count;
      }));
  return count;
}

}  // namespace gantry::bench
