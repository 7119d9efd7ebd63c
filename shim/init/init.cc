#include "shim/init/init.h"

#include <errno.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "shim/init/console.h"
#include "shim/init/devices.h"
#include "shim/init/identity.h"
#include "shim/init/launch.h"
#include "shim/init/mounts.h"
#include "shim/init/namespaces.h"
#include "shim/init/paths.h"
#include "shim/init/pause.h"
#include "shim/init/proc_handle.h"
#include "shim/init/rootfs.h"
#include "shim/init/setup.h"
#include "shim/init/working_directory.h"

namespace gantry::init {
namespace {

// The order of RunInit. What would be wrong otherwise stands at each step.
//
//  1. Hide, drop foreign descriptors, wait for GO. Nothing of the container is
//     touched before the process stands in its cgroups.
//  2. Join the pod's namespaces; the cgroup namespace is made after placement,
//     because its root is where the process stands. With a user namespace to
//     come, files are made as its root from here on (user_namespace.h).
//  3. Take the host's trees to bind as detached copies, before 4 takes mounts
//     out of their peer groups.
//  4. Cut the mount namespace off, so that nothing made below goes out.
//  5. Mount images that are volumes, as detached copies too; the rootfs; copy
//     out of it what the image's own volumes begin with; then mount all below
//     it through descriptors: the image is hostile, no path is resolved
//     outside.
//  6. The user is looked up when passwd may have been bound, before anything
//     is made for it (working directory, terminal).
//  7. Cover and protect paths last of the mounts, and while the host's
//     /dev/null can still be reached.
//  8. Enter the rootfs; only now can nothing be resolved on the host any more.
//  9. Host name and kernel parameters, in the namespaces of 2.
// 10. Limits and labels; then the pod's user namespace, if it has one: entered
//     when no step needs the host's root any more, with a copy of the mount
//     namespace that it owns. Then the ids.
// 11. READY, then seccomp and the last capabilities, then execve.

absl::Status SetUpMounts(const plan::InitPlan& plan,
                         const std::vector<int>& id_maps, Setup& setup,
                         std::vector<std::string>& degraded) {
  setup.Enter(Stage::kMounts, "init: open what is bound");
  const int user_namespace = setup.user_namespace.get();
  ASSIGN_OR_RETURN(std::vector<UniqueFd> sources,
                   OpenBindSources(plan, id_maps, user_namespace));
  setup.Enter(Stage::kRootfs, "init: leave the host's peers");
  RETURN_IF_ERROR(DetachFromHost());
  setup.Enter(Stage::kMounts, "init: mount images");
  RETURN_IF_ERROR(OpenImageSources(plan, id_maps, user_namespace, sources));
  setup.Enter(Stage::kRootfs);
  ASSIGN_OR_RETURN(setup.root, MountRootfs(plan.rootfs(), user_namespace));
  setup.Enter(Stage::kMounts);
  RETURN_IF_ERROR(FillVolumes(plan, sources, setup.root.get()));
  RETURN_IF_ERROR(MakeMounts(plan, sources, setup.root.get(), degraded));
  setup.Enter(Stage::kDevices);
  RETURN_IF_ERROR(MakeDevices(plan, setup.root.get()));
  return MakeSymlinks(plan, setup.root.get());
}

absl::Status SetUpConsole(const plan::InitPlan& plan, Setup& setup) {
  if (!plan.terminal()) return absl::OkStatus();
  setup.Enter(Stage::kConsole);
  ASSIGN_OR_RETURN(Console console, OpenConsole(setup.root.get(), 0, 0));
  RETURN_IF_ERROR(BindConsole(setup.root.get(), console.slave.get()));
  return HandOverConsole(std::move(console), setup);
}

absl::Status SetUpUser(const plan::InitPlan& plan, Setup& setup) {
  setup.Enter(Stage::kUser);
  RETURN_IF_ERROR(LookUpUser(plan.identity(), setup));
  if (plan.pause()) return absl::OkStatus();
  setup.Enter(Stage::kWorkingDirectory);
  ASSIGN_OR_RETURN(setup.cwd,
                   OpenWorkingDirectory(setup.root.get(), plan.cwd(),
                                        IfMissing::kMake, setup.outside));
  return absl::OkStatus();
}

absl::Status ProtectAndEnter(const plan::InitPlan& plan, Setup& setup) {
  setup.Enter(Stage::kPaths);
  RETURN_IF_ERROR(ProtectPaths(plan, setup.root.get()));
  RETURN_IF_ERROR(MaskPaths(plan, setup.root.get(), setup.null.get()));
  setup.Enter(Stage::kRootfs, "init: enter the rootfs");
  if (plan.rootfs().read_only()) {
    RETURN_IF_ERROR(MakeRootReadOnly(setup.root.get()));
  }
  return EnterRoot(setup.root.get());
}

absl::Status SetUpKernel(const plan::InitPlan& plan,
                         const plan::NamespacePlan& namespaces,
                         const Setup& setup) {
  if (!plan.hostname().empty() &&
      namespaces.uts() == plan::NamespacePlan::NEW &&
      sethostname(plan.hostname().data(), plan.hostname().size()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("set hostname ", plan.hostname()));
  }
  return WriteSysctls(setup.proc.get(), plan.sysctls());
}

absl::Status SetUp(const plan::InitPlan& plan,
                   const plan::NamespacePlan& namespaces,
                   const InitContext& context, Setup& setup) {
  std::vector<std::string> degraded(plan.degraded().begin(),
                                    plan.degraded().end());
  NamespaceFds join = context.join;
  std::vector<int> id_maps = context.id_maps;
  std::vector<int*> others = {&join.network, &join.ipc, &join.uts, &join.user,
                              &join.cgroup};
  for (int& fd : id_maps) others.push_back(&fd);
  RETURN_IF_ERROR(Begin(context.sync_fd, context.stdio, others, setup));
  setup.Enter(Stage::kNamespaces);
  RETURN_IF_ERROR(EnterNamespaces(namespaces, join));
  setup.user_namespace.Reset(std::exchange(join.user, -1));
  setup.mounts = Mounts::kOwn;
  LeaveSessionKeyring();
  ASSIGN_OR_RETURN(setup.proc, OpenProc());
  RETURN_IF_ERROR(PrepareUserNamespace(plan.identity(), setup));
  RETURN_IF_ERROR(SetUpMounts(plan, id_maps, setup, degraded));
  for (int* fd : others) UniqueFd(std::exchange(*fd, -1));
  UseOwnNull(setup);
  RETURN_IF_ERROR(SetUpUser(plan, setup));
  RETURN_IF_ERROR(SetUpConsole(plan, setup));
  RETURN_IF_ERROR(ProtectAndEnter(plan, setup));
  setup.Enter(Stage::kSysctl);
  RETURN_IF_ERROR(SetUpKernel(plan, namespaces, setup));
  if (!plan.pause()) {
    setup.Enter(Stage::kWorkingDirectory, "init: enter the working directory");
    RETURN_IF_ERROR(EnterWorkingDirectory(setup.cwd.get(), plan.cwd()));
  }
  return AssumeIdentity(plan.identity(), plan.oom_score_adj(), degraded, setup);
}

}  // namespace

void RunInit(const plan::InitPlan& plan, const plan::NamespacePlan& namespaces,
             const InitContext& context) {
  Setup setup;
  setup.trace_steps = context.trace_steps;
  setup.Enter(Stage::kSync);
  absl::Status status = SetUp(plan, namespaces, context, setup);
  if (!status.ok()) Fail(setup, status);
  if (!plan.pause()) {
    Launch(plan.identity(), {plan.args().begin(), plan.args().end()},
           {plan.env().begin(), plan.env().end()}, setup);
  }
  status = PreparePause();
  if (status.ok()) status = InstallStdio(setup);
  if (status.ok()) status = FinishIdentity(plan.identity());
  if (!status.ok()) Fail(setup, status);
  RunPause();
}

}  // namespace gantry::init
