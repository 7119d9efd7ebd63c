// How many rules nf_tables has in a network namespace, of all tables.
//
// Source: linux/netfilter/nf_tables.h. Thread safety: any thread. Blocks on the
// kernel for about a millisecond. Needs root.

#ifndef GANTRY_TOOLS_BENCH_NFT_RULES_H_
#define GANTRY_TOOLS_BENCH_NFT_RULES_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace gantry::bench {

// `netns_fd` is borrowed. Fails where the kernel has no nf_tables.
absl::StatusOr<int64_t> CountNftRules(int netns_fd);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_NFT_RULES_H_
