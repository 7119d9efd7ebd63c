#include <fcntl.h>
#include <sched.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"
#include "shim/init/console.h"
#include "shim/init/init.h"
#include "shim/init/launch.h"
#include "shim/init/namespaces.h"
#include "shim/init/proc_handle.h"
#include "shim/init/setup.h"
#include "shim/init/working_directory.h"

namespace gantry::init {
namespace {

// The order of RunExec:
//
//  1. Hide before a process of the container can see this one; no descriptor
//     of the shim comes along (CVE-2016-9962). Wait for GO.
//  2. A procfs while the host's mounts are there: the container's could be
//     another one. Then join the container's namespaces, all at once but for
//     the user namespace, which comes with the identity. The root directory is
//     the container's from here on.
//  3. User, terminal, working directory: through descriptors of that root.
//  4. Identity, READY, seccomp, execve, as the first process.

absl::Status SetUp(const ExecPlan& plan, const ExecContext& context,
                   Setup& setup) {
  std::vector<std::string> degraded;
  int target = context.target_pidfd;
  int* const others[] = {&target};
  RETURN_IF_ERROR(Begin(context.sync_fd, context.stdio, others, setup));
  setup.Enter(Stage::kNamespaces);
  setup.user_namespace.Reset(target);
  ASSIGN_OR_RETURN(setup.proc, OpenProc());
  if (const int joined = context.namespaces & ~CLONE_NEWUSER; joined != 0) {
    RETURN_IF_ERROR(sys::SetNs(setup.user_namespace.get(), joined));
  }
  if (!plan.identity.has_user_namespace()) setup.user_namespace.Reset();
  LeaveSessionKeyring();
  RETURN_IF_ERROR(PrepareUserNamespace(plan.identity, setup));
  ASSIGN_OR_RETURN(setup.root,
                   sys::OpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
  UseOwnNull(setup);
  setup.Enter(Stage::kUser);
  RETURN_IF_ERROR(LookUpUser(plan.identity, setup));
  if (plan.terminal) {
    setup.Enter(Stage::kConsole);
    ASSIGN_OR_RETURN(Console console,
                     OpenConsole(setup.root.get(), plan.width, plan.height));
    RETURN_IF_ERROR(HandOverConsole(std::move(console), setup));
  }
  setup.Enter(Stage::kWorkingDirectory);
  ASSIGN_OR_RETURN(setup.cwd,
                   OpenWorkingDirectory(setup.root.get(), plan.cwd,
                                        IfMissing::kFail, setup.outside));
  RETURN_IF_ERROR(EnterWorkingDirectory(setup.cwd.get(), plan.cwd));
  return AssumeIdentity(plan.identity, plan.oom_score_adj, std::move(degraded),
                        setup);
}

}  // namespace

void RunExec(const ExecPlan& plan, const ExecContext& context) {
  Setup setup;
  absl::Status status = SetUp(plan, context, setup);
  if (!status.ok()) Fail(setup, status);
  Launch(plan.identity, plan.args, plan.env, setup);
}

}  // namespace gantry::init
