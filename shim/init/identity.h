// Who the process is: limits, labels, ids, capabilities, seccomp.
//
// The order of calls (init.cc, exec.cc): PrepareIdentity, BecomeUser, READY,
// FinishIdentity, execve. Thread safety: changes the calling process.

#ifndef GANTRY_SHIM_INIT_IDENTITY_H_
#define GANTRY_SHIM_INIT_IDENTITY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/plan.pb.h"
#include "shim/init/user_lookup.h"

namespace gantry::init {

// Resource limits, as far as the kernel allows (what it does not is named in
// `degraded`), and the labels of the security modules that take effect at
// execve.
absl::Status PrepareIdentity(const plan::Identity& identity, int proc,
                             std::vector<std::string>& degraded);

// Drops the bounding set, takes the user's ids and groups and the inheritable
// and ambient capabilities; every other capability is still held, for the
// seccomp filter needs one of them. Clears the parent death signal and the
// dumpable flag (prctl(2)).
absl::Status BecomeUser(const plan::Identity& identity,
                        const ResolvedUser& user,
                        std::vector<std::string>& degraded);

// The capabilities the process shall have, no_new_privs and the seccomp
// filter, the latter last where no_new_privs permits, else just before the
// capabilities are dropped.
absl::Status FinishIdentity(const plan::Identity& identity);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_IDENTITY_H_
