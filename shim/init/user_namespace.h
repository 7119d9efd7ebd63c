// A set-up that ends in the pod's user namespace.
//
// What only the host's root can do (the overlay, mounts with mapped ids, device
// nodes, scores and limits) is done before the namespace is entered, with the
// file system ids of the root inside: what is made on the way belongs to it.
// Entering comes right before the identity. Order: ActAsMappedRoot, ...,
// EnterUserNamespace, BecomeUser. Thread safety: changes the calling process.

#ifndef GANTRY_SHIM_INIT_USER_NAMESPACE_H_
#define GANTRY_SHIM_INIT_USER_NAMESPACE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/spec.pb.h"
#include "shim/init/user_lookup.h"

namespace gantry::init {

// `user` with the host's numbers. INVALID_ARGUMENT names an id that is not
// mapped.
absl::StatusOr<ResolvedUser> OutsideUser(const spec::UserNamespace& space,
                                         const ResolvedUser& user);

// Files are made and opened as the root inside from here on; no capability is
// lost. Clears the parent death signal and the dumpable flag.
absl::Status ActAsMappedRoot(const spec::UserNamespace& space);

enum class Mounts {
  // Stay in the mount namespace of now.
  kKeep,
  // A copy of it that the user namespace owns: what was mounted as the host's
  // root is locked together there (mount_namespaces(7)).
  kOwn,
};

// `fd`: the user namespace, or a pidfd of a process in it. Afterwards all
// capabilities are held, but inside only.
absl::Status EnterUserNamespace(int fd, Mounts mounts);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_USER_NAMESPACE_H_
