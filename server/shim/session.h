// The state machine behind ShimClient: connection, requests under way, the
// programs of execs, and what becomes of them when connection or shim go.
//
//   connected --socket lost--> reconnecting --connected again--> connected
//       `------------ pidfd says dead ------------'`--> gone (for good)
//
// Requests are sent by the calling thread; everything else happens on the
// loop's thread, and answers go on on the executor.
// Thread safety: the public methods from any thread. Ownership: shared by the
// client, its calls under way and the loop's handlers; Close ends the latter.

#ifndef GANTRY_SERVER_SHIM_SESSION_H_
#define GANTRY_SERVER_SHIM_SESSION_H_

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"
#include "server/shim/envelope.h"
#include "server/shim/shim_client.h"
#include "server/work/executor.h"
#include "server/work/loop_thread.h"
#include "server/work/one_shot.h"
#include "server/work/task.h"

namespace gantry::shim_client {

class Session : public std::enable_shared_from_this<Session> {
 public:
  using Answer = work::OneShot<absl::StatusOr<Incoming>>;
  using ExecExit = work::OneShot<absl::StatusOr<int>>;
  struct Shim {
    pid_t pid = 0;
    UniqueFd pidfd;
  };

  Session(work::LoopThread& loop, work::Executor& executor, UniqueFd run_dir,
          Shim shim, ShimClientOptions options);

  // Begins to watch; once.
  void Start(UniqueFd socket);
  // Ends everything: requests under way are CANCELLED, no exit is told.
  void Close();

  // The answer of the shim; an Error of the shim is a status. A non-empty
  // `exec_id` says which program is to be killed if it starts after this call
  // gave up.
  Answer Send(shim::Envelope request, std::vector<UniqueFd> fds,
              absl::Duration timeout, std::string exec_id = "");

  // ALREADY_EXISTS if an exec of that id is under way.
  absl::Status AddExec(const std::string& exec_id);
  void DropExec(const std::string& exec_id);
  // Its end, for the one who waits: FAILED_PRECONDITION if somebody does
  // already, NOT_FOUND unless added.
  absl::StatusOr<ExecExit> ClaimExec(const std::string& exec_id);

  // What a State says about the past: the end of the container, and execs
  // that ended while nobody was connected.
  void NoteState(const shim::State& state);

  void OnExit(std::function<void(ExitOutcome)> done);
  // Set once the shim's process has ended.
  work::OneShot<absl::Status> Gone();
  void KillShim();

  const ShimClientOptions& options() const { return options_; }
  work::LoopThread& loop() { return loop_; }

 private:
  struct Pending {
    Answer answer;
    int64_t deadline;  // on the loop's clock: the wall's may be set
    std::string exec_id;
    // The caller was told DEADLINE_EXCEEDED; kept to see the exec start.
    bool given_up = false;
  };
  struct Outgoing {
    shim::Envelope envelope;
    std::vector<UniqueFd> fds;
  };
  struct Exec {
    ExecExit exit;
    bool claimed = false;
    // Its connection was lost: its end is not told but must be asked for.
    bool must_ask = false;
  };

  absl::Status SendOrQueue(shim::Envelope request, std::vector<UniqueFd> fds)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void KillExec(const std::string& exec_id);
  void SetExit(ExitOutcome outcome);
  void ArmSweep();
  void Sweep();

  // On the loop's thread.
  void Watch();
  void Unwatch();
  void OnSocket();
  void Flush();
  void Dispatch(Incoming message);
  void DispatchAnswer(Incoming message);
  void NoteExecExit(const shim::ExecExited& ended);
  void Disconnect(const absl::Status& why);
  void ScheduleReconnect();
  void Reconnect();
  absl::StatusOr<UniqueFd> ConnectAgain();
  void OnDead();
  void ReadLastWord();
  void EndExecs(const absl::Status& why);

  // After connecting again: asks for what was missed, until no exec is left
  // whose end would not be told.
  static work::Task<void> CatchUp(std::shared_ptr<Session> self);
  bool MustAsk();

  work::LoopThread& loop_;
  work::Executor& executor_;
  const UniqueFd run_dir_;
  const Shim shim_;
  const ShimClientOptions options_;
  const absl::Duration sweep_interval_;

  // Only on the loop's thread.
  int watched_ = -1;
  bool watching_shim_ = false;
  bool wants_room_ = false;
  bool stopped_ = false;
  absl::Duration backoff_;

  absl::Mutex mutex_;
  // Changed on the loop's thread only; invalid while there is no connection.
  UniqueFd socket_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool dead_ ABSL_GUARDED_BY(mutex_) = false;
  bool sweeping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Pending> pending_ ABSL_GUARDED_BY(mutex_);
  // What the socket had no room for.
  std::deque<Outgoing> outbox_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Exec> execs_ ABSL_GUARDED_BY(mutex_);
  // Execs that nobody waits for and that may have started while the
  // connection was lost.
  std::set<std::string> orphans_ ABSL_GUARDED_BY(mutex_);
  std::optional<ExitOutcome> outcome_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::function<void(ExitOutcome)>> exit_handlers_
      ABSL_GUARDED_BY(mutex_);
  std::vector<work::OneShot<absl::Status>> gone_waiters_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_SESSION_H_
