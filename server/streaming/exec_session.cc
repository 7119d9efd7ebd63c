#include "server/streaming/exec_session.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <utility>

#include "absl/time/time.h"
#include "boost/asio/post.hpp"
#include "glog/logging.h"
#include "runtime/base/status.h"

namespace gantry::streaming {
namespace {

// What a program gets to end by itself after its terminal has hung up.
constexpr absl::Duration kHangUpPatience = absl::Seconds(1);

}  // namespace

ExecSession::ExecSession(core::StreamService& service,
                         core::ExecStreamRequest request,
                         const Upgrade& upgrade)
    : RemoteCommand(service, request.streams, upgrade),
      request_(std::move(request)) {}

void ExecSession::Begin() {
  auto self = std::static_pointer_cast<ExecSession>(shared_from_this());
  service().node().tasks.Start(Run(self, service(), io(), std::move(request_)));
}

work::Task<void> ExecSession::Run(std::shared_ptr<ExecSession> self,
                                  core::StreamService& service,
                                  boost::asio::io_context& io,
                                  core::ExecStreamRequest request) {
  absl::StatusOr<core::RunningExec> exec =
      co_await service.StartExec(std::move(request));
  if (!exec.ok()) {
    LOG(INFO) << "streaming exec: " << exec.status();
    boost::asio::post(io, [self, status = exec.status()] {
      self->OnExited(Annotate(status, "error executing command in container"));
    });
    co_return;
  }
  core::Shims::Ptr shim = exec->shim;
  std::string exec_id = exec->exec_id;
  boost::asio::post(io, [self, started = *std::move(exec)]() mutable {
    self->OnStarted(std::move(started));
  });
  absl::StatusOr<int> exit_code =
      co_await service.WaitExec(std::move(shim), std::move(exec_id));
  boost::asio::post(io, [self, exit_code = std::move(exit_code)] {
    self->OnExited(exit_code);
  });
}

void ExecSession::OnStarted(core::RunningExec exec) {
  shim_ = std::move(exec.shim);
  exec_id_ = std::move(exec.exec_id);
  if (gone()) {
    // Hangs up before the kill.
    exec.streams = core::ProcessStreams();
    Kill();
    return;
  }
  if (exec.streams.terminal.valid()) {
    terminal_ = UniqueFd(
        ::fcntl(exec.streams.terminal.get(), F_DUPFD_CLOEXEC, /*at least*/ 3));
    if (size_.has_value()) OnSize(*size_);
  }
  Carry(std::move(exec.streams));
  if (!has_outputs()) outputs_ended_ = true;
}

void ExecSession::OnSize(TerminalSize size) {
  size_ = size;
  if (!terminal_.valid()) return;
  winsize window = {};
  window.ws_col = size.width;
  window.ws_row = size.height;
  // Fails only for a terminal that has hung up.
  ::ioctl(terminal_.get(), TIOCSWINSZ, &window);
}

void ExecSession::OnExited(absl::StatusOr<int> exit_code) {
  shim_ = nullptr;
  if (gone()) return;
  if (exec_id_.empty()) {
    // It never started.
    Finish(exit_code);
    return;
  }
  exit_code_ = std::move(exit_code);
  DrainOutputs();
  MaybeFinish();
}

void ExecSession::OnOutputsEnded() {
  outputs_ended_ = true;
  MaybeFinish();
}

void ExecSession::MaybeFinish() {
  if (!exit_code_.has_value() || !outputs_ended_) return;
  terminal_.Reset();
  Finish(*exit_code_);
}

void ExecSession::Abandon() {
  terminal_.Reset();
  if (shim_ != nullptr) Kill();
}

void ExecSession::Kill() {
  service().node().tasks.Start(service().KillExec(
      std::exchange(shim_, nullptr), exec_id_,
      wanted().terminal ? kHangUpPatience : absl::ZeroDuration()));
}

}  // namespace gantry::streaming
