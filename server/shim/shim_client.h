// The server's end of one shim: requests and their answers, the container's
// exit, and watching over the shim itself (docs/shim_protocol.md).
//
// A lost connection to a shim that lives is made again; requests fail with
// UNAVAILABLE meanwhile. When the shim is dead what it left behind decides:
// exit.pb, or else it is lost.
// Thread safety: all methods from any thread. Waiting holds no thread, and
// coroutines go on on the executor. Ownership: the loop and the executor must
// outlive this. Destroying a client closes its connection and touches neither
// the shim nor the container; requests under way end with CANCELLED.

#ifndef GANTRY_SERVER_SHIM_SHIM_CLIENT_H_
#define GANTRY_SERVER_SHIM_SHIM_CLIENT_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"
#include "server/work/executor.h"
#include "server/work/loop_thread.h"
#include "server/work/task.h"

namespace gantry::shim_client {

// How a container ended, as far as it is known.
struct ExitOutcome {
  // The shim was lost (killed) and left no exit record; the caller kills and
  // removes the container's cgroup and unlinks shim.sock.
  bool shim_lost = false;
  // Unless shim_lost.
  shim::Exited exited;
};

struct ExecStartedResult {
  pid_t pid = 0;
  // The terminal's master, if one was asked for.
  std::optional<UniqueFd> pty;
};

struct ShimClientOptions {
  // After this an unanswered request ends with DEADLINE_EXCEEDED.
  absl::Duration request_timeout = absl::Seconds(10);
  // The shim itself bounds the set-up of an exec to 10 s.
  absl::Duration exec_timeout = absl::Seconds(15);
  // Between attempts to connect again, doubled from the first to the last.
  absl::Duration reconnect_first = absl::Milliseconds(10);
  absl::Duration reconnect_last = absl::Seconds(5);
};

class Session;

class ShimClient {
 public:
  // Connects to the shim of the container whose run directory `run_dir_fd` is
  // (borrowed until the call returns): how a restarted server finds it again.
  // NOT_FOUND: no shim is there (ReadExitRecord tells how the container
  // ended). UNAVAILABLE or DEADLINE_EXCEEDED: there is one but it does not
  // answer.
  static work::Task<absl::StatusOr<std::unique_ptr<ShimClient>>> Connect(
      work::LoopThread& loop, work::Executor& executor, int run_dir_fd,
      ShimClientOptions options = {});

  // Takes over the connection (non-blocking) to shim `pid`, which has just said
  // Started.
  static std::unique_ptr<ShimClient> Adopt(work::LoopThread& loop,
                                           work::Executor& executor,
                                           UniqueFd socket, pid_t pid,
                                           UniqueFd pidfd, UniqueFd run_dir,
                                           ShimClientOptions options = {});

  ~ShimClient();
  ShimClient(const ShimClient&) = delete;
  ShimClient& operator=(const ShimClient&) = delete;

  work::Task<absl::StatusOr<shim::State>> GetState();

  // NOT_FOUND once the container's program has ended.
  work::Task<absl::Status> Signal(int signal, bool all);

  // `fds`: the program's stdin, stdout, stderr as far as the request's has_*
  // say; closed here once they are sent. After OK call WaitExec once. If this
  // call gives up, a program that starts all the same is killed.
  work::Task<absl::StatusOr<ExecStartedResult>> Exec(shim::ExecRequest request,
                                                     std::vector<UniqueFd> fds);

  // The exit code of a program that Exec started, as a shell counts; at once
  // if it has ended already. Once per exec: NOT_FOUND thereafter. UNAVAILABLE
  // if the shim ended without saying it.
  work::Task<absl::StatusOr<int>> WaitExec(std::string exec_id);

  // NOT_FOUND for an exec that does not run.
  work::Task<absl::Status> ExecSignal(std::string exec_id, int signal,
                                      bool tree);

  // OK: every later line goes to `log`, opened for appending.
  work::Task<absl::Status> ReopenLog(UniqueFd log);

  // Of the container's own terminal.
  work::Task<absl::Status> Resize(uint32_t width, uint32_t height);

  work::Task<absl::Status> Attach(shim::AttachRequest request,
                                  std::vector<UniqueFd> fds);

  work::Task<absl::Status> CloseStdin();

  // `done` is called exactly once, on the executor: when the shim says Exited,
  // or when the shim is dead; at once if that has happened. Never called after
  // the client was destroyed, but for a call already on its way. Several may
  // be set.
  void OnExit(std::function<void(ExitOutcome)> done);

  // OK once the shim's process has ended: then the container's cgroup has no
  // other owner and shim.sock no listener. After Exited this takes up to 2 s.
  // DEADLINE_EXCEEDED after `timeout`.
  work::Task<absl::Status> WaitGone(absl::Duration timeout);

  // Kills the shim itself, for one that is stuck: its container then ends as
  // of a lost shim. A shim that has ended is left alone.
  void KillShim();

 private:
  explicit ShimClient(std::shared_ptr<Session> session);

  std::shared_ptr<Session> session_;
};

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_SHIM_CLIENT_H_
