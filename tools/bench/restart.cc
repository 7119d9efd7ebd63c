#include "tools/bench/restart.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/pidfd.h"
#include "tools/bench/floor_child.h"
#include "tools/bench/stopwatch.h"
#include "tools/ctl/client.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(1);

}  // namespace

absl::StatusOr<Restart> Restart::Begin(const std::string& endpoint,
                                       const std::string& command) {
  Restart restart;
  restart.endpoint_ = endpoint;
  ASSIGN_OR_RETURN(restart.proc_,
                   sys::OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(restart.before_, IdentityOf(restart.proc_.get(), endpoint));
  sys::SpawnRequest request;
  request.path = "/bin/sh";
  request.argv = {"sh", "-c", command};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    request.env.push_back(*variable);
  }
  request.group = sys::ProcessGroup::kOwnSession;
  restart.begun_ = MonotonicNanos();
  ASSIGN_OR_RETURN(restart.command_, sys::Spawner().Spawn(request),
                   "restart the server");
  return restart;
}

absl::Status Restart::CheckCommand() {
  if (command_ended_) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::optional<sys::ExitStatus> status,
                   sys::TryWaitPidfd(command_.pidfd.get()));
  if (!status.has_value()) return absl::OkStatus();
  command_ended_ = true;
  if (status->ShellCode() == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the restart command ended with ", status->ShellCode()));
}

absl::StatusOr<bool> Restart::Answers() const {
  const absl::StatusOr<ServerIdentity> now = IdentityOf(proc_.get(), endpoint_);
  // Nobody listens yet, or the old one still does.
  if (!now.ok() || *now == before_) return false;
  // A connection of its own each time: gRPC waits a second before it tries one
  // again that was refused.
  ASSIGN_OR_RETURN(const std::unique_ptr<ctl::Client> client,
                   ctl::Client::For(endpoint_));
  return client->Call(ctl::v1::VersionRequest()).ok();
}

absl::Status Restart::UntilAnswered(absl::Duration longest) {
  const Stopwatch watch(longest);
  while (watch.GoesOn()) {
    RETURN_IF_ERROR(CheckCommand());
    ASSIGN_OR_RETURN(const bool answers, Answers());
    if (answers) return absl::OkStatus();
    ctl::SleepUnlessInterrupted(kLook);
  }
  return absl::CancelledError(ctl::Interrupted()
                                  ? "interrupted"
                                  : "out of time: no other server answers");
}

}  // namespace gantry::bench
