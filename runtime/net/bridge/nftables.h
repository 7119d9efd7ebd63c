// Telling nf_tables: a ruleset, and elements of its maps.
//
// Each call is one batch: all of it or nothing. Thread safety: any thread;
// each call has a socket of its own. Blocks on the kernel for well under a
// millisecond. FAILED_PRECONDITION if this kernel has no nf_tables, or not all
// that the rules need.
// Sources: linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h.

#ifndef GANTRY_RUNTIME_NET_BRIDGE_NFTABLES_H_
#define GANTRY_RUNTIME_NET_BRIDGE_NFTABLES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runtime/net/bridge/ruleset.h"
#include "runtime/net/netlink/message.h"

namespace gantry::net::nft {

// Makes the table, or makes it anew in one step if there is one.
absl::Status ReplaceTable(const Ruleset& ruleset,
                          const std::vector<Element>& elements);
bool HasTable(const std::string& table);
// One that is not there is OK.
absl::Status DeleteTable(const std::string& table);

absl::Status AddElements(const std::string& table,
                         const std::vector<Element>& elements);
// Those that are not there are OK.
absl::Status DeleteElements(const std::string& table,
                            const std::vector<Element>& elements);

}  // namespace gantry::net::nft

#endif  // GANTRY_RUNTIME_NET_BRIDGE_NFTABLES_H_
