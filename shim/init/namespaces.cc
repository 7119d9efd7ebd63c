#include "shim/init/namespaces.h"

#include <linux/keyctl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/sys/namespaces.h"

namespace gantry::init {
namespace {

absl::Status Join(plan::NamespacePlan::Source source, int fd, int type,
                  absl::string_view name) {
  if (source != plan::NamespacePlan::JOIN) return absl::OkStatus();
  if (fd < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("join ", name, " namespace: no descriptor was given"));
  }
  RETURN_IF_ERROR(sys::SetNs(fd, type)) << "join " << name << " namespace";
  return absl::OkStatus();
}

}  // namespace

absl::Status EnterNamespaces(const plan::NamespacePlan& plan,
                             const NamespaceFds& fds) {
  if (plan.user() == plan::NamespacePlan::JOIN && fds.user < 0) {
    return absl::FailedPreconditionError(
        "join user namespace: no descriptor was given");
  }
  RETURN_IF_ERROR(Join(plan.network(), fds.network, CLONE_NEWNET, "network"));
  RETURN_IF_ERROR(Join(plan.ipc(), fds.ipc, CLONE_NEWIPC, "ipc"));
  RETURN_IF_ERROR(Join(plan.uts(), fds.uts, CLONE_NEWUTS, "uts"));
  RETURN_IF_ERROR(Join(plan.cgroup(), fds.cgroup, CLONE_NEWCGROUP, "cgroup"));
  if (plan.cgroup() == plan::NamespacePlan::NEW) {
    RETURN_IF_ERROR(sys::Unshare(CLONE_NEWCGROUP)) << "new cgroup namespace";
  }
  return absl::OkStatus();
}

void LeaveSessionKeyring() {
  syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
}

}  // namespace gantry::init
