#include <signal.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/pidfd.h"
#include "shim/loop/container_shim.h"

namespace gantry::shim {
namespace {

absl::Status CheckFds(const std::vector<UniqueFd>& fds, size_t wanted) {
  if (fds.size() == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the request came with ", fds.size(), " descriptors, it needs ", wanted));
}

}  // namespace

void ContainerShim::OnRequest(ClientId client, Envelope request,
                              std::vector<UniqueFd> fds) {
  if (request.has_state_request()) {
    Envelope answer;
    *answer.mutable_state() = TakeState();
    return Reply(client, request.id(), std::move(answer));
  }
  if (request.has_exec_request()) {
    return HandleExec(client, request.id(), request.exec_request(),
                      std::move(fds));
  }
  ReplyStatus(client, request.id(), HandleSimple(request, fds));
}

absl::Status ContainerShim::HandleSimple(const Envelope& request,
                                         std::vector<UniqueFd>& fds) {
  if (request.has_signal_request()) {
    return HandleSignal(request.signal_request());
  }
  if (started_.pid() == 0) {
    return absl::FailedPreconditionError("the container is starting");
  }
  switch (request.body_case()) {
    case Envelope::kExecSignalRequest:
      return execs_->Signal(request.exec_signal_request());
    case Envelope::kReopenLogRequest:
      return HandleReopenLog(fds);
    case Envelope::kAttachRequest:
      return HandleAttach(request.attach_request(), fds);
    case Envelope::kResizeRequest:
      if (!request.resize_request().exec_id().empty()) {
        return absl::InvalidArgumentError(
            "the server holds the terminals of execs");
      }
      if (io_ == nullptr) {
        return absl::FailedPreconditionError("the container has no terminal");
      }
      return io_->Resize(request.resize_request().width(),
                         request.resize_request().height());
    case Envelope::kCloseStdinRequest:
      if (io_ != nullptr) io_->CloseStdin();
      return absl::OkStatus();
    default:
      return absl::UnimplementedError(
          absl::StrCat("this shim does not know request ",
                       static_cast<int>(request.body_case())));
  }
}

absl::Status ContainerShim::HandleSignal(const SignalRequest& request) {
  if (request.signal() < 0 || request.signal() > SIGRTMAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no signal ", request.signal()));
  }
  if (request.all() && request.signal() == SIGKILL) {
    killed_ = true;
    if (end_ != nullptr) end_->Hurry();
  }
  if (init_.pid <= 0) {
    return absl::NotFoundError("the container's program has ended");
  }
  if (!request.all()) {
    return sys::PidfdSendSignal(init_.pidfd.get(), request.signal());
  }
  if (request.signal() == SIGKILL) return cgroup_->manager().Kill();
  ASSIGN_OR_RETURN(std::vector<pid_t> pids, cgroup_->manager().Processes(true));
  absl::Status status = absl::OkStatus();
  for (pid_t pid : pids) {
    if (kill(pid, request.signal()) != 0 && errno != ESRCH && status.ok()) {
      status = ErrnoStatus(errno, absl::StrCat("send signal ", request.signal(),
                                               " to process ", pid));
    }
  }
  return status;
}

absl::Status ContainerShim::HandleReopenLog(std::vector<UniqueFd>& fds) {
  RETURN_IF_ERROR(CheckFds(fds, 1));
  if (io_ == nullptr) {
    return absl::FailedPreconditionError("the container has no log");
  }
  io_->output().ReopenLog(std::move(fds[0]));
  return absl::OkStatus();
}

absl::Status ContainerShim::HandleAttach(const AttachRequest& request,
                                         std::vector<UniqueFd>& fds) {
  RETURN_IF_ERROR(CheckRuns());
  RETURN_IF_ERROR(CheckFds(fds, size_t{request.has_stdin()} +
                                    size_t{request.has_stdout()} +
                                    size_t{request.has_stderr()}));
  if (io_ == nullptr) {
    return absl::FailedPreconditionError("the container has no streams");
  }
  AttachFds attach;
  size_t next = 0;
  if (request.has_stdin()) attach.in = std::move(fds[next++]);
  if (request.has_stdout()) attach.out = std::move(fds[next++]);
  if (request.has_stderr()) attach.err = std::move(fds[next++]);
  return io_->Attach(std::move(attach));
}

void ContainerShim::HandleExec(ClientId client, uint64_t id,
                               const ExecRequest& request,
                               std::vector<UniqueFd> fds) {
  absl::Status status = CheckRuns();
  if (status.ok()) status = exec_ready_;
  if (status.ok()) {
    status = execs_->Start(
        request, std::move(fds),
        [this, client, id](absl::StatusOr<ExecTable::Running> running) {
          if (!running.ok()) return ReplyStatus(client, id, running.status());
          Envelope answer;
          answer.mutable_exec_started()->set_pid(running->pid);
          std::vector<UniqueFd> console;
          if (running->console.valid()) {
            console.push_back(std::move(running->console));
          }
          Reply(client, id, std::move(answer), std::move(console));
        },
        [this, client](const ExecExited& exited) {
          OnExecEnded(client, exited);
        });
  }
  if (!status.ok()) ReplyStatus(client, id, status);
}

void ContainerShim::OnExecEnded(ClientId client, const ExecExited& exited) {
  Envelope event;
  event.set_version(1);
  *event.mutable_exec_exited() = exited;
  if (server_.Send(client, event)) return;
  if (kept_exits_.size() >= kMaxKeptExits) {
    kept_exits_.erase(kept_exits_.begin());
  }
  kept_exits_.push_back(exited);
}

State ContainerShim::TakeState() {
  State state;
  if (started_.pid() != 0) *state.mutable_started() = started_;
  if (exited_.has_value()) *state.mutable_exited() = *exited_;
  if (execs_ != nullptr) {
    for (std::string& id : execs_->RunningIds()) {
      state.add_exec_ids(std::move(id));
    }
  }
  for (const ExecExited& exited : kept_exits_) {
    *state.add_exec_exits() = exited;
  }
  kept_exits_.clear();
  return state;
}

void ContainerShim::Reply(ClientId client, uint64_t id, Envelope answer,
                          std::vector<UniqueFd> fds) {
  answer.set_version(1);
  answer.set_id(id);
  server_.Send(client, answer, std::move(fds));
}

void ContainerShim::ReplyStatus(ClientId client, uint64_t id,
                                const absl::Status& status) {
  Envelope answer;
  if (status.ok()) {
    answer.mutable_done();
  } else {
    *answer.mutable_error() = ErrorOf(status);
  }
  Reply(client, id, std::move(answer));
}

absl::Status ContainerShim::CheckRuns() const {
  if (started_.pid() == 0) {
    return absl::FailedPreconditionError("the container is starting");
  }
  if (init_.pid <= 0) {
    return absl::FailedPreconditionError("the container's program has ended");
  }
  return absl::OkStatus();
}

}  // namespace gantry::shim
