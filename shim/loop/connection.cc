#include "shim/loop/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <span>

#include "absl/status/statusor.h"
#include "runtime/base/status.h"
#include "runtime/wire/envelope_channel.h"

namespace gantry::shim {
namespace {

absl::Status SendNow(int socket, const Envelope& message,
                     const std::vector<UniqueFd>& fds) {
  std::vector<int> numbers;
  numbers.reserve(fds.size());
  for (const UniqueFd& fd : fds) numbers.push_back(fd.get());
  return wire::SendMessage(socket, message, numbers);
}

}  // namespace

Connection::~Connection() {
  if (alive_ != nullptr) *alive_ = false;
  if (socket_.valid()) loop_.Remove(socket_.get());
}

absl::Status Connection::Begin(UniqueFd& socket) {
  RETURN_IF_ERROR(loop_.Add(socket.get(), EPOLLIN, [this](uint32_t events) {
    OnEvent(events);
  })) << "watch a client";
  socket_ = std::move(socket);
  return absl::OkStatus();
}

void Connection::Send(const Envelope& message, std::vector<UniqueFd> fds) {
  if (broken_) return;
  if (waiting_.empty()) {
    const absl::Status sent = SendNow(socket_.get(), message, fds);
    if (sent.ok()) return;
    if (ErrnoOf(sent) != EAGAIN) return Break();
    if (!loop_.Modify(socket_.get(), EPOLLIN | EPOLLOUT).ok()) return Break();
  }
  if (waiting_.size() >= kMaxWaiting) return Break();
  waiting_.push_back({message, std::move(fds)});
}

void Connection::OnEvent(uint32_t events) {
  bool goes_on = !broken_;
  if (goes_on && (events & EPOLLOUT) != 0) goes_on = SendWaiting();
  if (goes_on && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    bool alive = true;
    alive_ = &alive;
    goes_on = ReceiveSome();
    if (!alive) return;
    alive_ = nullptr;
  }
  if (goes_on) return;
  // The callback may destroy this.
  Closed closed = std::move(closed_);
  closed();
}

bool Connection::ReceiveSome() {
  bool* const alive = alive_;
  for (int turn = 0; turn < kTurn && !broken_; ++turn) {
    Envelope message;
    absl::StatusOr<std::vector<UniqueFd>> fds =
        wire::ReceiveMessage(socket_.get(), message);
    if (!fds.ok()) return ErrnoOf(fds.status()) == EAGAIN;
    received_(std::move(message), *std::move(fds));
    if (!*alive) return false;
  }
  return !broken_;
}

bool Connection::SendWaiting() {
  while (!waiting_.empty()) {
    const Outgoing& next = waiting_.front();
    const absl::Status sent = SendNow(socket_.get(), next.message, next.fds);
    if (!sent.ok()) return ErrnoOf(sent) == EAGAIN;
    waiting_.erase(waiting_.begin());
  }
  return loop_.Modify(socket_.get(), EPOLLIN).ok();
}

void Connection::Break() {
  broken_ = true;
  waiting_.clear();
  // The loop is told of the hang-up.
  shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace gantry::shim
