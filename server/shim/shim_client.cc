#include "server/shim/shim_client.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/epoll_loop.h"
#include "runtime/sys/file.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/seqpacket.h"
#include "server/shim/envelope.h"
#include "server/shim/session.h"
#include "shim/donation.h"

namespace gantry::shim_client {
namespace {

using SessionPtr = std::shared_ptr<Session>;
using Fds = std::vector<UniqueFd>;

// Between attempts while the shim's queue of connections is full.
constexpr absl::Duration kConnectAgainAfter = absl::Milliseconds(10);

absl::Status UnexpectedAnswer(const Incoming& answer) {
  return absl::InternalError(absl::StrCat(
      "unexpected answer of the shim: message ", answer.envelope.body_case()));
}

work::Task<absl::Status> CallForDone(SessionPtr session, shim::Envelope request,
                                     Fds fds) {
  Session::Answer answer = session->Send(std::move(request), std::move(fds),
                                         session->options().request_timeout);
  absl::StatusOr<Incoming> reply = co_await answer.Wait();
  CO_RETURN_IF_ERROR(reply);
  if (!reply->envelope.has_done()) co_return UnexpectedAnswer(*reply);
  co_return absl::OkStatus();
}

work::Task<absl::StatusOr<shim::State>> CallForState(SessionPtr session) {
  shim::Envelope request;
  request.mutable_state_request();
  Session::Answer answer =
      session->Send(std::move(request), {}, session->options().request_timeout);
  absl::StatusOr<Incoming> reply = co_await answer.Wait();
  CO_RETURN_IF_ERROR(reply);
  if (!reply->envelope.has_state()) co_return UnexpectedAnswer(*reply);
  // The shim hands out ends of execs once: they are noted, whoever asked.
  session->NoteState(reply->envelope.state());
  co_return std::move(*reply->envelope.mutable_state());
}

work::Task<absl::StatusOr<ExecStartedResult>> CallForExec(
    SessionPtr session, shim::ExecRequest request, Fds fds) {
  const std::string exec_id = request.exec_id();
  const bool terminal = request.terminal();
  CO_RETURN_IF_ERROR(session->AddExec(exec_id));
  shim::Envelope envelope;
  *envelope.mutable_exec_request() = std::move(request);
  Session::Answer answer =
      session->Send(std::move(envelope), std::move(fds),
                    session->options().exec_timeout, exec_id);
  absl::StatusOr<Incoming> reply = co_await answer.Wait();
  absl::Status failed = reply.status();
  if (reply.ok() && (!reply->envelope.has_exec_started() ||
                     reply->fds.size() != (terminal ? 1 : 0))) {
    failed = UnexpectedAnswer(*reply);
  }
  if (!failed.ok()) {
    session->DropExec(exec_id);
    co_return failed;
  }
  ExecStartedResult result;
  result.pid = reply->envelope.exec_started().pid();
  if (terminal) result.pty = std::move(reply->fds[0]);
  co_return result;
}

work::Task<absl::StatusOr<int>> AwaitExec(SessionPtr session,
                                          std::string exec_id) {
  CO_ASSIGN_OR_RETURN(Session::ExecExit exit, session->ClaimExec(exec_id));
  absl::StatusOr<int> code = co_await exit.Wait();
  session->DropExec(exec_id);
  co_return code;
}

work::Task<absl::Status> AwaitGone(SessionPtr session, absl::Duration timeout) {
  work::OneShot<absl::Status> gone = session->Gone();
  work::Timeout late = session->loop().SetTimeout(timeout, [gone] {
    gone.Set(absl::DeadlineExceededError("the shim did not end in time"));
  });
  absl::Status ended = co_await gone.Wait();
  co_return ended;
}

// The shim behind a connection, from the kernel's own account of who listens.
absl::StatusOr<Session::Shim> IdentifyPeer(int socket) {
  ASSIGN_OR_RETURN(ucred peer, sys::PeerCredentials(socket));
  if (peer.uid != ::geteuid()) {
    return absl::PermissionDeniedError(
        absl::StrCat("process ", peer.pid, " of user ", peer.uid,
                     " listens on ", shim::kSocketName));
  }
  ASSIGN_OR_RETURN(UniqueFd pidfd, sys::PidfdOpen(peer.pid));
  return Session::Shim{peer.pid, std::move(pidfd)};
}

bool NobodyListens(const absl::Status& status) {
  const int error = ErrnoOf(status);
  return error == ENOENT || error == ECONNREFUSED || error == ESRCH;
}

}  // namespace

work::Task<absl::StatusOr<std::unique_ptr<ShimClient>>> ShimClient::Connect(
    work::LoopThread& loop, work::Executor& executor, int run_dir_fd,
    ShimClientOptions options) {
  const int64_t give_up = sys::EpollLoop::BootNanos() +
                          absl::ToInt64Nanoseconds(options.request_timeout);
  CO_ASSIGN_OR_RETURN(UniqueFd run_dir, sys::Duplicate(run_dir_fd));
  absl::StatusOr<UniqueFd> socket =
      sys::ConnectAt(run_dir.get(), shim::kSocketName, SOCK_NONBLOCK);
  while (ErrnoOf(socket.status()) == EAGAIN &&
         sys::EpollLoop::BootNanos() < give_up) {
    co_await loop.Sleep(kConnectAgainAfter);
    socket = sys::ConnectAt(run_dir.get(), shim::kSocketName, SOCK_NONBLOCK);
  }
  if (NobodyListens(socket.status())) {
    co_return absl::NotFoundError(
        absl::StrCat("no shim is there: ", socket.status().message()));
  }
  CO_RETURN_IF_ERROR(socket);
  absl::StatusOr<Session::Shim> shim = IdentifyPeer(socket->get());
  if (NobodyListens(shim.status())) {
    co_return absl::NotFoundError("the shim has just ended");
  }
  CO_RETURN_IF_ERROR(shim);
  const pid_t pid = shim->pid;
  auto session = std::make_shared<Session>(loop, executor, std::move(run_dir),
                                           *std::move(shim), options);
  std::unique_ptr<ShimClient> client(new ShimClient(session));
  session->Start(*std::move(socket));
  // An answer that comes after the pidfd was opened proves that the pid was
  // still the shim's then, not that of a later process.
  absl::StatusOr<shim::State> state = co_await CallForState(session);
  CO_RETURN_IF_ERROR(state) << "ask shim " << pid << " for its state";
  if (state->has_started() && state->started().shim_pid() != pid) {
    co_return absl::FailedPreconditionError(
        absl::StrCat("shim ", state->started().shim_pid(),
                     " answers on the "
                     "socket of process ",
                     pid));
  }
  co_return std::move(client);
}

std::unique_ptr<ShimClient> ShimClient::Adopt(work::LoopThread& loop,
                                              work::Executor& executor,
                                              UniqueFd socket, pid_t pid,
                                              UniqueFd pidfd, UniqueFd run_dir,
                                              ShimClientOptions options) {
  auto session =
      std::make_shared<Session>(loop, executor, std::move(run_dir),
                                Session::Shim{pid, std::move(pidfd)}, options);
  session->Start(std::move(socket));
  return std::unique_ptr<ShimClient>(new ShimClient(std::move(session)));
}

ShimClient::ShimClient(std::shared_ptr<Session> session)
    : session_(std::move(session)) {}

ShimClient::~ShimClient() { session_->Close(); }

work::Task<absl::StatusOr<shim::State>> ShimClient::GetState() {
  return CallForState(session_);
}

void ShimClient::KillShim() { session_->KillShim(); }

work::Task<absl::Status> ShimClient::Signal(int signal, bool all) {
  shim::Envelope request;
  request.mutable_signal_request()->set_signal(signal);
  request.mutable_signal_request()->set_all(all);
  return CallForDone(session_, std::move(request), {});
}

work::Task<absl::StatusOr<ExecStartedResult>> ShimClient::Exec(
    shim::ExecRequest request, std::vector<UniqueFd> fds) {
  return CallForExec(session_, std::move(request), std::move(fds));
}

work::Task<absl::StatusOr<int>> ShimClient::WaitExec(std::string exec_id) {
  return AwaitExec(session_, std::move(exec_id));
}

work::Task<absl::Status> ShimClient::ExecSignal(std::string exec_id, int signal,
                                                bool tree) {
  shim::Envelope request;
  shim::ExecSignalRequest& body = *request.mutable_exec_signal_request();
  body.set_exec_id(std::move(exec_id));
  body.set_signal(signal);
  body.set_tree(tree);
  return CallForDone(session_, std::move(request), {});
}

work::Task<absl::Status> ShimClient::ReopenLog(UniqueFd log) {
  shim::Envelope request;
  request.mutable_reopen_log_request();
  Fds fds;
  fds.push_back(std::move(log));
  return CallForDone(session_, std::move(request), std::move(fds));
}

work::Task<absl::Status> ShimClient::Resize(uint32_t width, uint32_t height) {
  shim::Envelope request;
  request.mutable_resize_request()->set_width(width);
  request.mutable_resize_request()->set_height(height);
  return CallForDone(session_, std::move(request), {});
}

work::Task<absl::Status> ShimClient::Attach(shim::AttachRequest request,
                                            std::vector<UniqueFd> fds) {
  shim::Envelope envelope;
  *envelope.mutable_attach_request() = std::move(request);
  return CallForDone(session_, std::move(envelope), std::move(fds));
}

work::Task<absl::Status> ShimClient::CloseStdin() {
  shim::Envelope request;
  request.mutable_close_stdin_request();
  return CallForDone(session_, std::move(request), {});
}

void ShimClient::OnExit(std::function<void(ExitOutcome)> done) {
  session_->OnExit(std::move(done));
}

work::Task<absl::Status> ShimClient::WaitGone(absl::Duration timeout) {
  return AwaitGone(session_, timeout);
}

}  // namespace gantry::shim_client
