// A user namespace that nobody is in: the form in which mount_setattr(2) wants
// the id mapping of an id-mapped mount (MOUNT_ATTR_IDMAP).
//
// For the single-threaded shim and for tests only, as clone.h is: a child is
// cloned to be the first process of the namespace, and ended again. It sends
// no SIGCHLD. Blocks until it is reaped (well under a millisecond).

#ifndef GANTRY_RUNTIME_SYS_USER_NAMESPACE_H_
#define GANTRY_RUNTIME_SYS_USER_NAMESPACE_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

// `count` ids from `inside` on are those from `outside` on in the caller's
// namespace (user_namespaces(7)).
struct IdRange {
  uint32_t inside = 0;
  uint32_t outside = 0;
  uint32_t count = 0;
};

// The text of a uid_map or gid_map file.
std::string IdMapText(std::span<const IdRange> ranges);

// A descriptor of the namespace, which lasts as long as it does. `procfd`: the
// /proc of the caller's PID namespace. Needs CAP_SETUID and CAP_SETGID for
// ranges other than the caller's own id; ranges that overlap or are empty are
// INVALID_ARGUMENT (the kernel's EINVAL).
absl::StatusOr<UniqueFd> NewUserNamespace(int procfd,
                                          std::span<const IdRange> uids,
                                          std::span<const IdRange> gids);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_USER_NAMESPACE_H_
