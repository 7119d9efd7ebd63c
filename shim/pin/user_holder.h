// A process that holds a new user namespace, and namespaces that it owns, until
// they are pinned.
//
// The caller keeps the privileges of the host's root, which the process gave
// up. Ownership: ends and reaps the process. Thread safety: for a process of
// one thread. Blocks for writes to procfs only.

#ifndef GANTRY_SHIM_PIN_USER_HOLDER_H_
#define GANTRY_SHIM_PIN_USER_HOLDER_H_

#include <sys/types.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"
#include "shim/pin/pin_args.h"

namespace gantry::shim {

class UserHolder {
 public:
  // `flags`: CLONE_NEW* of the namespaces to make, CLONE_NEWUSER aside.
  static absl::StatusOr<UserHolder> Make(const UserNamespace& user, int flags);
  UserHolder(UserHolder&&) = default;
  ~UserHolder();

  // Joins those of `flags`, still as the host's root.
  absl::Status JoinAsRoot(int flags) const;

  // Its user namespace, as a path of the host's procfs.
  std::string UserNamespacePath() const;

 private:
  UserHolder(pid_t pid, UniqueFd pidfd, UniqueFd lifeline)
      : pid_(pid), pidfd_(std::move(pidfd)), lifeline_(std::move(lifeline)) {}

  pid_t pid_;
  UniqueFd pidfd_;
  // The process ends when this is closed, however that happens.
  UniqueFd lifeline_;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PIN_USER_HOLDER_H_
