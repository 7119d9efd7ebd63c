#include "server/shim/session.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/epoll_loop.h"
#include "runtime/sys/pidfd.h"

namespace gantry::shim_client {
namespace {

// How exactly the bound of a request is kept: one timer for all of them.
absl::Duration SweepInterval(const ShimClientOptions& options) {
  return std::min({absl::Seconds(1), options.request_timeout / 4,
                   options.exec_timeout / 4});
}

}  // namespace

Session::Session(work::LoopThread& loop, work::Executor& executor,
                 UniqueFd run_dir, Shim shim, ShimClientOptions options)
    : loop_(loop),
      executor_(executor),
      run_dir_(std::move(run_dir)),
      shim_(std::move(shim)),
      options_(options),
      sweep_interval_(SweepInterval(options)),
      backoff_(options.reconnect_first) {}

void Session::Close() {
  std::map<uint64_t, Pending> pending;
  std::map<std::string, Exec> execs;
  std::vector<work::OneShot<absl::Status>> gone;
  std::vector<std::function<void(ExitOutcome)>> handlers;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    pending.swap(pending_);
    execs.swap(execs_);
    gone.swap(gone_waiters_);
    handlers.swap(exit_handlers_);
    outbox_.clear();
  }
  const absl::Status cancelled = absl::CancelledError(
      absl::StrCat("the client of shim ", shim_.pid, " was closed"));
  for (auto& [id, request] : pending) request.answer.Set(cancelled);
  for (auto& [id, exec] : execs) exec.exit.Set(cancelled);
  for (auto& waiter : gone) waiter.Set(cancelled);
  loop_.Post([self = shared_from_this()] {
    self->stopped_ = true;
    self->Unwatch();
  });
}

Session::Answer Session::Send(shim::Envelope request, std::vector<UniqueFd> fds,
                              absl::Duration timeout, std::string exec_id) {
  Answer answer(executor_);
  const absl::string_view name = RequestName(request);
  absl::Status sent;
  bool arm = false;
  {
    absl::MutexLock lock(&mutex_);
    const uint64_t id = next_id_++;
    request.set_version(kProtocolVersion);
    request.set_id(id);
    sent = SendOrQueue(std::move(request), std::move(fds));
    if (sent.ok()) {
      pending_.emplace(id, Pending{answer,
                                   sys::EpollLoop::BootNanos() +
                                       absl::ToInt64Nanoseconds(timeout),
                                   std::move(exec_id)});
      arm = !std::exchange(sweeping_, true);
    }
  }
  if (!sent.ok()) {
    answer.Set(Annotate(
        sent, absl::StrCat("send ", name, " request to shim ", shim_.pid)));
  }
  if (arm) ArmSweep();
  return answer;
}

absl::Status Session::SendOrQueue(shim::Envelope request,
                                  std::vector<UniqueFd> fds) {
  if (closed_) return absl::CancelledError("the client was closed");
  if (dead_) return absl::UnavailableError("the shim has ended");
  if (!socket_.valid()) {
    return absl::UnavailableError("the connection is lost");
  }
  if (outbox_.empty()) {
    absl::Status sent = SendEnvelope(socket_.get(), request, fds);
    if (!IsWouldBlock(sent)) return sent;
  }
  outbox_.push_back(Outgoing{std::move(request), std::move(fds)});
  if (outbox_.size() == 1) {
    loop_.Post([self = shared_from_this()] { self->Flush(); });
  }
  return absl::OkStatus();
}

absl::Status Session::AddExec(const std::string& exec_id) {
  absl::MutexLock lock(&mutex_);
  if (!execs_.emplace(exec_id, Exec{ExecExit(executor_)}).second) {
    return absl::AlreadyExistsError(
        absl::StrCat("exec ", exec_id, " is under way already"));
  }
  return absl::OkStatus();
}

void Session::DropExec(const std::string& exec_id) {
  absl::MutexLock lock(&mutex_);
  execs_.erase(exec_id);
}

absl::StatusOr<Session::ExecExit> Session::ClaimExec(
    const std::string& exec_id) {
  absl::MutexLock lock(&mutex_);
  auto exec = execs_.find(exec_id);
  if (exec == execs_.end()) {
    return absl::NotFoundError(
        absl::StrCat("exec ", exec_id, " was not started by this client"));
  }
  if (std::exchange(exec->second.claimed, true)) {
    return absl::FailedPreconditionError(
        absl::StrCat("exec ", exec_id, " is waited for already"));
  }
  return exec->second.exit;
}

void Session::KillExec(const std::string& exec_id) {
  shim::Envelope request;
  request.mutable_exec_signal_request()->set_exec_id(exec_id);
  request.mutable_exec_signal_request()->set_signal(SIGKILL);
  request.mutable_exec_signal_request()->set_tree(true);
  // Nobody waits for the answer: it has ended, or the container's end ends it.
  Send(std::move(request), {}, options_.request_timeout);
}

void Session::NoteState(const shim::State& state) {
  const std::set<std::string> running(state.exec_ids().begin(),
                                      state.exec_ids().end());
  std::vector<std::pair<ExecExit, absl::StatusOr<int>>> ended;
  std::vector<std::string> unwanted;
  {
    absl::MutexLock lock(&mutex_);
    for (const shim::ExecExited& exit : state.exec_exits()) {
      auto exec = execs_.find(exit.exec_id());
      if (exec == execs_.end()) continue;
      exec->second.must_ask = false;
      ended.emplace_back(exec->second.exit, exit.exit_code());
    }
    for (auto& [exec_id, exec] : execs_) {
      if (!exec.must_ask || running.contains(exec_id)) continue;
      exec.must_ask = false;
      ended.emplace_back(exec.exit, absl::UnavailableError(absl::StrCat(
                                        "exec ", exec_id,
                                        " ended while the connection "
                                        "to shim ",
                                        shim_.pid, " was lost")));
    }
    for (const std::string& exec_id : orphans_) {
      if (running.contains(exec_id)) unwanted.push_back(exec_id);
    }
    orphans_.clear();
  }
  for (auto& [exit, code] : ended) exit.Set(std::move(code));
  for (const std::string& exec_id : unwanted) KillExec(exec_id);
  if (state.has_exited()) SetExit(ExitOutcome{false, state.exited()});
}

void Session::OnExit(std::function<void(ExitOutcome)> done) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return;
  if (!outcome_.has_value()) {
    exit_handlers_.push_back(std::move(done));
    return;
  }
  executor_.Post([done = std::move(done), outcome = *outcome_]() mutable {
    done(std::move(outcome));
  });
}

void Session::SetExit(ExitOutcome outcome) {
  std::vector<std::function<void(ExitOutcome)>> handlers;
  {
    absl::MutexLock lock(&mutex_);
    if (outcome_.has_value()) return;
    outcome_ = outcome;
    handlers.swap(exit_handlers_);
  }
  for (auto& done : handlers) {
    executor_.Post(
        [done = std::move(done), outcome]() mutable { done(outcome); });
  }
}

void Session::KillShim() {
  // One that has ended already is what was wanted.
  sys::PidfdSendSignal(shim_.pidfd.get(), SIGKILL).IgnoreError();
}

work::OneShot<absl::Status> Session::Gone() {
  work::OneShot<absl::Status> gone(executor_);
  absl::MutexLock lock(&mutex_);
  if (dead_) {
    gone.Set(absl::OkStatus());
  } else if (closed_) {
    gone.Set(absl::CancelledError("the client was closed"));
  } else {
    gone_waiters_.push_back(gone);
  }
  return gone;
}

void Session::ArmSweep() {
  loop_
      .SetTimeout(sweep_interval_,
                  [weak = weak_from_this()] {
                    if (auto self = weak.lock()) self->Sweep();
                  })
      .Detach();
}

void Session::Sweep() {
  std::vector<Answer> late;
  bool again = false;
  {
    absl::MutexLock lock(&mutex_);
    const int64_t now = sys::EpollLoop::BootNanos();
    for (auto request = pending_.begin(); request != pending_.end();) {
      Pending& pending = request->second;
      if (pending.given_up || pending.deadline > now) {
        again = again || !pending.given_up;
        ++request;
        continue;
      }
      late.push_back(pending.answer);
      if (pending.exec_id.empty()) {
        request = pending_.erase(request);
      } else {
        pending.given_up = true;
        ++request;
      }
    }
    sweeping_ = again;
  }
  for (const Answer& answer : late) {
    answer.Set(absl::DeadlineExceededError(
        absl::StrCat("shim ", shim_.pid, " did not answer in time")));
  }
  if (again) ArmSweep();
}

}  // namespace gantry::shim_client
