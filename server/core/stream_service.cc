#include "server/core/stream_service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "proto/shim.pb.h"
#include "runtime/base/id.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/netns_socket.h"
#include "runtime/sys/pipe.h"
#include "server/core/running_shim.h"

namespace gantry::core {
namespace {

using record::ContainerRecord;
using record::PodRecord;

absl::Status MakeNonBlocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "make a stream non-blocking");
  }
  return absl::OkStatus();
}

// A container that runs, and its shim.
struct Running {
  ContainerPtr container;
  Shims::Ptr shim;
};

absl::StatusOr<Running> FindRunning(const Node& node, const std::string& id) {
  Running running;
  ASSIGN_OR_RETURN(running.container, node.containers.Get(id));
  ASSIGN_OR_RETURN(running.shim, RunningShim(node, *running.container),
                   absl::StrCat("container ", running.container->id()));
  return running;
}

absl::StatusOr<PodPtr> FindReady(const Node& node, const std::string& id) {
  ASSIGN_OR_RETURN(PodPtr pod, node.pods.Get(id));
  if (pod->state() != PodRecord::READY) {
    return absl::FailedPreconditionError(
        absl::StrCat("pod ", pod->id(), " is ",
                     PodRecord::State_Name(pod->state()), ", not READY"));
  }
  return pod;
}

absl::Status CheckAttach(const ContainerRecord& container,
                         const WantedStreams& wanted) {
  if (wanted.in && !container.spec().stdio().stdin()) {
    return absl::FailedPreconditionError(
        absl::StrCat("attach to container ", container.id(),
                     ": it was created without stdin"));
  }
  return absl::OkStatus();
}

// A pipe whose one end stays here (non-blocking) and whose other one goes.
absl::Status AddPipe(bool we_write, UniqueFd& ours,
                     std::vector<UniqueFd>& theirs) {
  ASSIGN_OR_RETURN(sys::Pipe pipe, sys::MakePipe());
  ours = std::move(we_write ? pipe.write : pipe.read);
  theirs.push_back(std::move(we_write ? pipe.read : pipe.write));
  return MakeNonBlocking(ours.get());
}

absl::Status AddPipes(bool in, bool out, bool err, ProcessStreams& ours,
                      std::vector<UniqueFd>& theirs) {
  if (in) {
    RETURN_IF_ERROR(AddPipe(/*we_write=*/true, ours.in, theirs));
  }
  if (out) {
    RETURN_IF_ERROR(AddPipe(/*we_write=*/false, ours.out, theirs));
  }
  if (err) {
    RETURN_IF_ERROR(AddPipe(/*we_write=*/false, ours.err, theirs));
  }
  return absl::OkStatus();
}

shim::ExecRequest ShimRequest(const ExecStreamRequest& request) {
  shim::ExecRequest to_shim;
  to_shim.set_exec_id(NewId());
  to_shim.mutable_args()->Assign(request.args.begin(), request.args.end());
  to_shim.set_terminal(request.streams.terminal);
  if (!request.streams.terminal) {
    to_shim.set_has_stdin(request.streams.in);
    to_shim.set_has_stdout(request.streams.out);
    to_shim.set_has_stderr(request.streams.err);
  }
  return to_shim;
}

absl::StatusOr<UniqueFd> SocketIn(const std::string& netns, int domain) {
  constexpr int kType = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  if (netns.empty()) {
    UniqueFd socket(::socket(domain, kType, 0));
    if (!socket.valid()) return ErrnoStatus(errno, "make a socket");
    return socket;
  }
  ASSIGN_OR_RETURN(UniqueFd fd, sys::OpenAt(AT_FDCWD, netns, O_RDONLY));
  return sys::SocketInNamespace(fd.get(), domain, kType, 0);
}

}  // namespace

absl::Status StreamService::Check(const StreamRequest& request) const {
  if (const auto* exec = std::get_if<ExecStreamRequest>(&request)) {
    return FindRunning(node_, exec->container_id).status();
  }
  if (const auto* attach = std::get_if<AttachRequest>(&request)) {
    ASSIGN_OR_RETURN(Running running, FindRunning(node_, attach->container_id));
    return CheckAttach(*running.container, attach->streams);
  }
  return FindReady(node_, std::get<PortForwardRequest>(request).pod_id)
      .status();
}

work::Task<absl::StatusOr<RunningExec>> StreamService::StartExec(
    ExecStreamRequest request) {
  co_await node_.executor.Schedule();
  CO_ASSIGN_OR_RETURN(Running running,
                      FindRunning(node_, request.container_id));
  RunningExec exec;
  exec.shim = running.shim;
  shim::ExecRequest to_shim = ShimRequest(request);
  exec.exec_id = to_shim.exec_id();
  std::vector<UniqueFd> for_program;
  CO_RETURN_IF_ERROR(AddPipes(to_shim.has_stdin(), to_shim.has_stdout(),
                              to_shim.has_stderr(), exec.streams, for_program));
  absl::StatusOr<shim_client::ExecStartedResult> started =
      co_await running.shim->Exec(std::move(to_shim), std::move(for_program));
  CO_RETURN_IF_ERROR(started)
      << "exec in container " << running.container->id();
  if (started->pty.has_value()) {
    exec.streams.terminal = *std::move(started->pty);
    // Does not fail for a descriptor that is open.
    CO_RETURN_IF_ERROR(MakeNonBlocking(exec.streams.terminal.get()));
  }
  co_return exec;
}

work::Task<absl::StatusOr<int>> StreamService::WaitExec(Shims::Ptr shim,
                                                        std::string exec_id) {
  absl::StatusOr<int> exit_code = co_await shim->WaitExec(std::move(exec_id));
  co_return exit_code;
}

work::Task<void> StreamService::KillExec(Shims::Ptr shim, std::string exec_id,
                                         absl::Duration patience) {
  if (patience > absl::ZeroDuration()) co_await node_.loop.Sleep(patience);
  absl::Status killed =
      co_await shim->ExecSignal(exec_id, SIGKILL, /*tree=*/true);
  LOG_IF(WARNING, !killed.ok() && !absl::IsNotFound(killed))
      << "kill exec " << exec_id << " whose client has gone: " << killed;
}

work::Task<absl::StatusOr<ProcessStreams>> StreamService::Attach(
    AttachRequest request) {
  co_await node_.executor.Schedule();
  CO_ASSIGN_OR_RETURN(Running running,
                      FindRunning(node_, request.container_id));
  const ContainerRecord& container = *running.container;
  CO_RETURN_IF_ERROR(CheckAttach(container, request.streams));
  shim::AttachRequest to_shim;
  to_shim.set_has_stdin(request.streams.in);
  to_shim.set_has_stdout(request.streams.out);
  // A terminal has one output only.
  to_shim.set_has_stderr(request.streams.err &&
                         !container.spec().stdio().terminal());
  ProcessStreams streams;
  std::vector<UniqueFd> for_shim;
  CO_RETURN_IF_ERROR(AddPipes(to_shim.has_stdin(), to_shim.has_stdout(),
                              to_shim.has_stderr(), streams, for_shim));
  CO_RETURN_IF_ERROR(
      co_await running.shim->Attach(std::move(to_shim), std::move(for_shim)))
      << "attach to container " << container.id();
  co_return streams;
}

work::Task<absl::Status> StreamService::Resize(std::string container_id,
                                               uint16_t width,
                                               uint16_t height) {
  CO_ASSIGN_OR_RETURN(Running running, FindRunning(node_, container_id));
  absl::Status resized = co_await running.shim->Resize(width, height);
  co_return resized;
}

work::Task<absl::StatusOr<UniqueFd>> StreamService::SocketInPod(
    std::string pod_id, int domain) {
  CO_ASSIGN_OR_RETURN(PodPtr pod, FindReady(node_, pod_id));
  std::string netns;
  if (pod->own_network()) {
    netns = absl::StrCat(node_.paths.PodRun(pod->id()), "/", kNetworkPin);
  }
  // Where blocking is allowed, for the thread visits another namespace. By
  // reference: this GCC destroys what a lambda in a co_await owns twice.
  absl::StatusOr<UniqueFd> socket = co_await work::RunOn(
      node_.blocking_executor, node_.executor,
      [&netns, domain] { return SocketIn(netns, domain); });
  co_return socket;
}

}  // namespace gantry::core
