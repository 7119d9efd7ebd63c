// The part of Session that runs on the loop's thread.

#include <errno.h>
#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "runtime/sys/seqpacket.h"
#include "server/shim/exit_record.h"
#include "server/shim/session.h"
#include "shim/donation.h"

namespace gantry::shim_client {
namespace {

// Others have their turn after so many messages of one shim.
constexpr int kMessagesPerTurn = 64;
// What a dead shim may have left in the socket, at the very most.
constexpr int kMessagesOfTheDead = 1024;
constexpr absl::Duration kAskForExecsEvery = absl::Seconds(1);
constexpr absl::Duration kReadAgainAfter = absl::Milliseconds(200);

// An error of this process's or the machine's limits, which passes.
bool IsShortage(const absl::Status& status) {
  const int error = ErrnoOf(status);
  return error == EMFILE || error == ENFILE || error == ENOMEM;
}

}  // namespace

void Session::Start(UniqueFd socket) {
  {
    absl::MutexLock lock(&mutex_);
    socket_ = std::move(socket);
  }
  loop_.Post([self = shared_from_this()] {
    if (self->stopped_) return;
    absl::Status watched = self->loop_.loop().Add(
        self->shim_.pidfd.get(), EPOLLIN, [self](uint32_t) { self->OnDead(); });
    LOG_IF(ERROR, !watched.ok())
        << "watch shim " << self->shim_.pid << ": " << watched;
    self->watching_shim_ = watched.ok();
    self->Watch();
  });
}

void Session::Watch() {
  {
    absl::MutexLock lock(&mutex_);
    watched_ = socket_.get();
  }
  wants_room_ = false;
  absl::Status watched = loop_.loop().Add(
      watched_, EPOLLIN, [self = shared_from_this()](uint32_t events) {
        if (events & EPOLLOUT) self->Flush();
        if (events & ~static_cast<uint32_t>(EPOLLOUT)) self->OnSocket();
      });
  if (!watched.ok()) {
    watched_ = -1;
    Disconnect(watched);
  }
}

void Session::Unwatch() {
  if (watched_ >= 0) loop_.loop().Remove(std::exchange(watched_, -1));
  if (std::exchange(watching_shim_, false)) {
    loop_.loop().Remove(shim_.pidfd.get());
  }
  absl::MutexLock lock(&mutex_);
  socket_.Reset();
}

void Session::OnSocket() {
  auto self = shared_from_this();
  for (int i = 0; i < kMessagesPerTurn && watched_ >= 0; ++i) {
    absl::StatusOr<Incoming> message = ReceiveEnvelope(watched_);
    if (!message.ok()) {
      if (!IsWouldBlock(message.status())) Disconnect(message.status());
      return;
    }
    Dispatch(*std::move(message));
  }
}

void Session::Flush() {
  if (watched_ < 0) return;
  bool room = true;
  std::vector<std::pair<Answer, absl::Status>> failed;
  {
    absl::MutexLock lock(&mutex_);
    while (!outbox_.empty()) {
      const Outgoing& next = outbox_.front();
      absl::Status sent = SendEnvelope(watched_, next.envelope, next.fds);
      room = !IsWouldBlock(sent);
      if (!room) break;
      if (!sent.ok()) {
        auto request = pending_.find(next.envelope.id());
        if (request != pending_.end()) {
          failed.emplace_back(request->second.answer, sent);
          pending_.erase(request);
        }
      }
      outbox_.pop_front();
    }
  }
  for (auto& [answer, status] : failed) answer.Set(std::move(status));
  if (room != wants_room_) return;
  wants_room_ = !room;
  absl::Status modified =
      loop_.loop().Modify(watched_, wants_room_ ? EPOLLIN | EPOLLOUT : EPOLLIN);
  if (!modified.ok()) Disconnect(modified);
}

void Session::Dispatch(Incoming message) {
  if (message.envelope.id() != 0) {
    DispatchAnswer(std::move(message));
    return;
  }
  switch (message.envelope.body_case()) {
    case shim::Envelope::kExited:
      SetExit(ExitOutcome{false, message.envelope.exited()});
      break;
    case shim::Envelope::kExecExited:
      NoteExecExit(message.envelope.exec_exited());
      break;
    default:
      // An event of a newer shim.
      break;
  }
}

void Session::NoteExecExit(const shim::ExecExited& ended) {
  std::optional<ExecExit> exit;
  {
    absl::MutexLock lock(&mutex_);
    auto exec = execs_.find(ended.exec_id());
    if (exec != execs_.end()) exit = exec->second.exit;
  }
  if (exit.has_value()) exit->Set(ended.exit_code());
}

void Session::DispatchAnswer(Incoming message) {
  // It serves: the next loss of the connection is a new one.
  backoff_ = options_.reconnect_first;
  std::optional<Pending> request;
  {
    absl::MutexLock lock(&mutex_);
    auto found = pending_.find(message.envelope.id());
    if (found == pending_.end()) return;
    request = std::move(found->second);
    pending_.erase(found);
  }
  if (request->given_up) {
    if (message.envelope.has_exec_started()) KillExec(request->exec_id);
    return;
  }
  if (message.envelope.has_error()) {
    request->answer.Set(StatusOfError(message.envelope.error()));
  } else {
    request->answer.Set(std::move(message));
  }
}

void Session::Disconnect(const absl::Status& why) {
  if (watched_ >= 0) loop_.loop().Remove(std::exchange(watched_, -1));
  std::map<uint64_t, Pending> failed;
  bool expected;
  {
    absl::MutexLock lock(&mutex_);
    socket_.Reset();
    failed.swap(pending_);
    outbox_.clear();
    for (const auto& [id, request] : failed) {
      if (!request.exec_id.empty()) orphans_.insert(request.exec_id);
    }
    for (auto& [id, exec] : execs_) exec.must_ask = !exec.exit.IsSet();
    expected = dead_ || outcome_.has_value();
  }
  const absl::Status lost = absl::UnavailableError(absl::StrCat(
      "the connection to shim ", shim_.pid, " was lost: ", why.message()));
  for (auto& [id, request] : failed) request.answer.Set(lost);
  if (!expected && !stopped_) ScheduleReconnect();
}

void Session::ScheduleReconnect() {
  loop_
      .SetTimeout(backoff_,
                  [weak = weak_from_this()] {
                    if (auto self = weak.lock()) self->Reconnect();
                  })
      .Detach();
  backoff_ = std::min(backoff_ * 2, options_.reconnect_last);
}

void Session::Reconnect() {
  {
    absl::MutexLock lock(&mutex_);
    if (closed_ || dead_ || outcome_.has_value() || socket_.valid()) return;
  }
  absl::StatusOr<UniqueFd> socket = ConnectAgain();
  if (!socket.ok()) {
    LOG(WARNING) << "connect again to shim " << shim_.pid << ": "
                 << socket.status();
    ScheduleReconnect();
    return;
  }
  LOG(INFO) << "connected again to shim " << shim_.pid;
  {
    absl::MutexLock lock(&mutex_);
    socket_ = *std::move(socket);
  }
  Watch();
  work::StartDetached(CatchUp(shared_from_this()), [] {});
}

absl::StatusOr<UniqueFd> Session::ConnectAgain() {
  ASSIGN_OR_RETURN(
      UniqueFd socket,
      sys::ConnectAt(run_dir_.get(), shim::kSocketName, SOCK_NONBLOCK));
  ASSIGN_OR_RETURN(ucred peer, sys::PeerCredentials(socket.get()));
  if (peer.pid != shim_.pid) {
    return absl::FailedPreconditionError(
        absl::StrCat("process ", peer.pid, " listens on its socket"));
  }
  return socket;
}

work::Task<void> Session::CatchUp(std::shared_ptr<Session> self) {
  do {
    shim::Envelope request;
    request.mutable_state_request();
    Answer answer =
        self->Send(std::move(request), {}, self->options_.request_timeout);
    absl::StatusOr<Incoming> state = co_await answer.Wait();
    if (!state.ok()) {
      if (!absl::IsDeadlineExceeded(state.status())) co_return;
      // It listens but does not serve: try again later.
      self->loop_.Post([self, why = state.status()] {
        if (self->watched_ >= 0) self->Disconnect(why);
      });
      co_return;
    }
    self->NoteState(state->envelope.state());
    if (!self->MustAsk()) co_return;
    co_await self->loop_.Sleep(kAskForExecsEvery);
  } while (self->MustAsk());
}

bool Session::MustAsk() {
  absl::MutexLock lock(&mutex_);
  if (closed_ || dead_) return false;
  return std::any_of(execs_.begin(), execs_.end(),
                     [](const auto& exec) { return exec.second.must_ask; });
}

void Session::OnDead() {
  auto self = shared_from_this();
  // 1. What it said last.
  for (int i = 0; i < kMessagesOfTheDead && watched_ >= 0; ++i) {
    absl::StatusOr<Incoming> message = ReceiveEnvelope(watched_);
    if (!message.ok()) break;
    Dispatch(*std::move(message));
  }
  // 2. No connection any more, and no new one.
  std::vector<work::OneShot<absl::Status>> gone;
  bool known;
  {
    absl::MutexLock lock(&mutex_);
    dead_ = true;
    gone.swap(gone_waiters_);
    known = outcome_.has_value();
  }
  Unwatch();
  const absl::Status ended = absl::UnavailableError("the shim has ended");
  Disconnect(ended);
  // 3. What it left behind.
  if (!known) ReadLastWord();
  EndExecs(ended);
  for (auto& waiter : gone) waiter.Set(absl::OkStatus());
}

void Session::ReadLastWord() {
  absl::StatusOr<shim::Exited> record = ReadExitRecord(run_dir_.get());
  LOG_IF(ERROR, !record.ok() && !absl::IsNotFound(record.status()))
      << "shim " << shim_.pid << ": " << record.status();
  if (IsShortage(record.status())) {
    // It may be there, and must not be taken for lost.
    loop_
        .SetTimeout(kReadAgainAfter,
                    [weak = weak_from_this()] {
                      if (auto self = weak.lock()) self->ReadLastWord();
                    })
        .Detach();
    return;
  }
  SetExit(record.ok() ? ExitOutcome{false, *std::move(record)}
                      : ExitOutcome{true, {}});
}

void Session::EndExecs(const absl::Status& why) {
  std::vector<ExecExit> exits;
  {
    absl::MutexLock lock(&mutex_);
    for (auto& [exec_id, exec] : execs_) exits.push_back(exec.exit);
  }
  for (const ExecExit& exit : exits) exit.Set(why);
}

}  // namespace gantry::shim_client
