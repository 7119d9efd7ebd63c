// One container's life in its shim: start, serve, end.
//
// The order of messages and of the steps at both ends: docs/shim_protocol.md.
// Ownership: of everything the container has on this side; `loop` and `clock`
// must outlive it. Thread safety: none; the process has one thread. Blocks for
// cgroup files and clones at the start, for the removal of the cgroup at the
// end (bounded).

#ifndef GANTRY_SHIM_LOOP_CONTAINER_SHIM_H_
#define GANTRY_SHIM_LOOP_CONTAINER_SHIM_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/plan.pb.h"
#include "proto/shim.pb.h"
#include "runtime/base/clock.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"
#include "shim/io/container_io.h"
#include "shim/loop/child_signal.h"
#include "shim/loop/container_end.h"
#include "shim/loop/control_server.h"
#include "shim/process/child.h"
#include "shim/process/container_cgroup.h"
#include "shim/process/exec_table.h"
#include "shim/process/setup_watch.h"

namespace gantry::shim {

// What was donated, owned.
struct OwnedDonation {
  UniqueFd handshake;
  UniqueFd run_directory;
  UniqueFd log;
  UniqueFd network;
  UniqueFd ipc;
  UniqueFd uts;
  UniqueFd pid;
  UniqueFd user;
};

class ContainerShim {
 public:
  // `begun`: what is to be told with the start: what the kernel did not allow
  // the shim itself, and the steps so far.
  ContainerShim(sys::EpollLoop& loop, const Clock& clock,
                std::unique_ptr<plan::ContainerPlan> plan,
                OwnedDonation donated, Started begun);
  ContainerShim(const ContainerShim&) = delete;
  ContainerShim& operator=(const ContainerShim&) = delete;

  // Begins the start; how it went is told on the handshake. The loop is stopped
  // when all is over.
  void Start();

  // Whether the container was started at all.
  bool succeeded() const { return exited_.has_value(); }

 private:
  static constexpr size_t kMaxKeptExits = 64;

  absl::Status TryStart();
  // A step of the start begins, if it is traced.
  void Enter(absl::string_view step);
  absl::Status CloneInit();
  void OnSetup(SetupResult result);
  absl::Status BecomeRunning(SetupResult& result);
  // Undoes the start and says why.
  void Fail(const absl::Status& why);

  void OnReaped(pid_t pid, int wait_status);
  void OnInitEnded(int wait_status);
  void OnEnded(const Exited& exited, const absl::Status& recorded);
  // Leaves when clients have what was sent to them, or after a short while.
  void LeaveWhenSent(int64_t give_up_at);
  void Leave();
  // Until exit.pb can be written, somebody must be there to tell.
  void LeaveOnceRecorded();

  // Answers to requests: container_requests.cc.
  void OnRequest(ClientId client, Envelope request, std::vector<UniqueFd> fds);
  absl::Status HandleSimple(const Envelope& request,
                            std::vector<UniqueFd>& fds);
  absl::Status HandleSignal(const SignalRequest& request);
  absl::Status HandleReopenLog(std::vector<UniqueFd>& fds);
  absl::Status HandleAttach(const AttachRequest& request,
                            std::vector<UniqueFd>& fds);
  void HandleExec(ClientId client, uint64_t id, const ExecRequest& request,
                  std::vector<UniqueFd> fds);
  void OnExecEnded(ClientId client, const ExecExited& exited);
  State TakeState();
  void Reply(ClientId client, uint64_t id, Envelope answer,
             std::vector<UniqueFd> fds = {});
  void ReplyStatus(ClientId client, uint64_t id, const absl::Status& status);
  // Whether the container's program runs and can be talked to.
  absl::Status CheckRuns() const;

  sys::EpollLoop& loop_;
  const Clock& clock_;
  // Until the container runs.
  std::unique_ptr<plan::ContainerPlan> plan_;
  OwnedDonation donated_;

  ChildSignal children_;
  ControlServer server_;
  ClientId starter_ = 0;
  bool listening_ = false;
  std::unique_ptr<ContainerCgroup> cgroup_;
  std::unique_ptr<ContainerIo> io_;  // none for a pause
  Child init_;
  std::unique_ptr<SetupWatch> setup_;
  std::unique_ptr<ExecTable> execs_;
  // Why execs can't enter the container's PID namespace, if they can't.
  absl::Status exec_ready_;

  Started started_;  // pid is set once the container runs
  // All its processes were killed by request.
  bool killed_ = false;
  std::unique_ptr<ContainerEnd> end_;
  std::optional<Exited> exited_;
  absl::Status recorded_;  // as exit.pb
  std::vector<ExecExited> kept_exits_;
};

// An absl::Status as a message.
Error ErrorOf(const absl::Status& status);

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_LOOP_CONTAINER_SHIM_H_
