// Sockets that belong to another network namespace than the caller's.
//
// A socket stays in the namespace it was made in (socket(2), network_namespaces
// (7)), so that is all that has to happen there: whoever holds the descriptor
// connects, binds and reads through it from anywhere.
// Thread safety: from any thread; the calling thread alone visits the other
// namespace and is back when the call returns. Does not block.

#ifndef GANTRY_RUNTIME_SYS_NETNS_SOCKET_H_
#define GANTRY_RUNTIME_SYS_NETNS_SOCKET_H_

#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

// socket(2) in the network namespace `netns_fd` (borrowed; of a file of
// nsfs). SOCK_CLOEXEC is added to `type`. Needs CAP_SYS_ADMIN.
//
// A thread that cannot return would serve other work in the wrong namespace,
// and no caller could mend that: the process is aborted.
absl::StatusOr<UniqueFd> SocketInNamespace(int netns_fd, int domain, int type,
                                           int protocol);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_NETNS_SOCKET_H_
