#include "shim/init/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "shim/init/identity.h"
#include "shim/init/note_step.h"
#include "shim/init/proc_handle.h"
#include "shim/init/program.h"

namespace gantry::init {

absl::Status PrepareUserNamespace(const plan::Identity& identity,
                                  Setup& setup) {
  if (!identity.has_user_namespace()) return absl::OkStatus();
  RETURN_IF_ERROR(ActAsMappedRoot(identity.user_namespace()));
  RETURN_IF_ERROR(HideFromDebuggers());
  return DieWithShim(setup.sync.get());
}

absl::Status LookUpUser(const plan::Identity& identity, Setup& setup) {
  ASSIGN_OR_RETURN(UserFiles files, ReadUserFiles(setup.root.get()));
  ASSIGN_OR_RETURN(setup.user, ResolveUser(identity.user(), files));
  setup.outside = setup.user;
  if (identity.has_user_namespace()) {
    ASSIGN_OR_RETURN(setup.outside,
                     OutsideUser(identity.user_namespace(), setup.user));
  }
  shim::ResolvedUser* report = setup.ready.mutable_user();
  report->set_uid(setup.user.uid);
  report->set_gid(setup.user.gid);
  for (uint32_t gid : setup.user.groups) report->add_groups(gid);
  return absl::OkStatus();
}

absl::Status HandOverConsole(Console console, Setup& setup) {
  if (fchown(console.slave.get(), setup.outside.uid, -1) != 0) {
    return ErrnoStatus(errno, "chown the terminal");
  }
  RETURN_IF_ERROR(ControlConsole(console.slave.get()));
  RETURN_IF_ERROR(SendConsole(setup.sync.get(), console.master.get()));
  for (UniqueFd& stream : setup.stdio) {
    ASSIGN_OR_RETURN(stream, sys::Duplicate(console.slave.get()));
  }
  return absl::OkStatus();
}

absl::Status AssumeIdentity(const plan::Identity& identity,
                            int32_t oom_score_adj,
                            std::vector<std::string> degraded, Setup& setup) {
  setup.Enter(Stage::kIdentity);
  RETURN_IF_ERROR(SetOomScoreAdj(setup.proc.get(), oom_score_adj, degraded));
  RETURN_IF_ERROR(PrepareIdentity(identity, setup.proc.get(), degraded));
  OwnStdio(setup);
  if (identity.has_user_namespace()) {
    // From here on nothing of the host is in reach.
    RETURN_IF_ERROR(
        EnterUserNamespace(setup.user_namespace.get(), setup.mounts));
  }
  RETURN_IF_ERROR(BecomeUser(identity, setup.user, degraded));
  RETURN_IF_ERROR(HideFromDebuggers());
  RETURN_IF_ERROR(DieWithShim(setup.sync.get()));
  for (std::string& what : degraded) {
    setup.ready.add_degraded(std::move(what));
  }
  if (setup.trace_steps) {
    // What comes after READY is one step: nothing more can be told.
    NoteStep(StepName(Stage::kExec), setup.ready);
    setup.trace_steps = false;
  }
  return SendReady(setup.sync.get(), setup.ready);
}

void Launch(const plan::Identity& identity, std::vector<std::string> args,
            std::vector<std::string> env, Setup& setup) {
  if (FindVariable(env, "HOME") == nullptr) {
    env.push_back(absl::StrCat("HOME=", setup.user.home));
  }
  Program program(std::move(args), std::move(env));
  absl::Status status = InstallStdio(setup);
  setup.Enter(Stage::kSeccomp);
  if (status.ok()) status = FinishIdentity(identity);
  if (status.ok()) {
    setup.Enter(Stage::kExec);
    status = program.Execute();
  }
  Fail(setup, status);
}

}  // namespace gantry::init
