#include "server/core/process_identity.h"

#include <fcntl.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/proc_stat.h"
#include "runtime/sys/proc_status.h"

namespace gantry::core {

absl::StatusOr<UniqueFd> OpenNamespaceOf(const shim::Started& started,
                                         absl::string_view name) {
  ASSIGN_OR_RETURN(UniqueFd proc,
                   sys::OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(
      UniqueFd ns,
      sys::OpenAt(proc.get(), absl::StrCat(started.pid(), "/ns/", name),
                  O_RDONLY));
  // Checked after opening: the pid cannot have been another's before and be
  // the right one now.
  ASSIGN_OR_RETURN(uint64_t start_ticks,
                   sys::StartTimeOf(proc.get(), started.pid()));
  if (start_ticks != started.start_ticks()) {
    return absl::NotFoundError(
        absl::StrCat("process ", started.pid(), " is gone"));
  }
  return ns;
}

bool DropsSignal(const shim::Started& started, int signal) {
  absl::StatusOr<UniqueFd> proc =
      sys::OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
  if (!proc.ok()) return false;
  absl::StatusOr<sys::SignalState> state =
      sys::ReadSignalState(proc->get(), started.pid());
  if (!state.ok() || !state->Drops(signal)) return false;
  // Checked after reading, as above.
  absl::StatusOr<uint64_t> start_ticks =
      sys::StartTimeOf(proc->get(), started.pid());
  return start_ticks.ok() && *start_ticks == started.start_ticks();
}

absl::Status KillShimOf(const shim::Started& started) {
  if (started.shim_pid() == 0) {
    return absl::NotFoundError("kill the shim: its pid was never told");
  }
  absl::StatusOr<UniqueFd> shim = sys::PidfdOpen(started.shim_pid());
  if (absl::IsNotFound(shim.status())) return absl::OkStatus();
  RETURN_IF_ERROR(shim) << "kill the shim";
  ASSIGN_OR_RETURN(UniqueFd proc,
                   sys::OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY));
  // Checked after opening, as above.
  absl::StatusOr<uint64_t> start_ticks =
      sys::StartTimeOf(proc.get(), started.shim_pid());
  if (!start_ticks.ok() || *start_ticks != started.shim_start_ticks()) {
    return absl::OkStatus();
  }
  const absl::Status killed = sys::PidfdSendSignal(shim->get(), SIGKILL);
  return absl::IsNotFound(killed) ? absl::OkStatus()
                                  : Annotate(killed, "kill the shim");
}

}  // namespace gantry::core
