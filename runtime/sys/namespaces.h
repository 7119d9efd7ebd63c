// Namespaces (namespaces(7)): leaving, joining, telling apart.
//
// Names are those below /proc/PID/ns: "mnt", "net", "ipc", "uts", "pid",
// "user", "cgroup", "time". Thread safety: Unshare and SetNs change the calling
// thread only.

#ifndef GANTRY_RUNTIME_SYS_NAMESPACES_H_
#define GANTRY_RUNTIME_SYS_NAMESPACES_H_

#include <sched.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

// `flags`: CLONE_NEW*, CLONE_FS, ...
absl::Status Unshare(int flags);

// `fd`: of a namespace (flags 0 or its type) or of a process (pidfd; flags say
// which of its namespaces).
absl::Status SetNs(int fd, int flags);

// The namespace `name` of the process; pid 0 is the caller.
absl::StatusOr<UniqueFd> OpenNamespaceAt(int procfd, pid_t pid,
                                         absl::string_view name);

// Its inode number: equal if and only if the namespace is the same.
absl::StatusOr<uint64_t> NamespaceIdAt(int procfd, pid_t pid,
                                       absl::string_view name);
// The same for a descriptor of a namespace.
absl::StatusOr<uint64_t> NamespaceIdOf(int fd);

// "net" for CLONE_NEWNET, ...; "net,uts" for several; hexadecimal for the rest.
std::string NamespaceNames(uint64_t flags);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_NAMESPACES_H_
