#include "server/shim/testing/fake_shim.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "glog/logging.h"
#include "runtime/sys/file.h"
#include "runtime/sys/seqpacket.h"
#include "shim/donation.h"

namespace gantry::shim_client {
namespace {

Incoming AnswerDone(const Incoming& request) {
  Incoming answer;
  if (request.envelope.has_state_request()) {
    answer.envelope.mutable_state();
  } else {
    answer.envelope.mutable_done();
  }
  return answer;
}

void Ring(const UniqueFd& event) {
  const uint64_t one = 1;
  CHECK_EQ(::write(event.get(), &one, sizeof(one)), sizeof(one));
}

}  // namespace

FakeShim::FakeShim(int run_dir)
    : run_dir_(run_dir),
      death_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      handler_([](Incoming request) { return AnswerDone(request); }) {
  listener_ = sys::ListenAt(run_dir_, shim::kSocketName, SOCK_NONBLOCK).value();
  thread_ = std::thread([this] { Run(); });
}

FakeShim::~FakeShim() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  Wake();
  thread_.join();
  sys::UnlinkAt(run_dir_, shim::kSocketName).IgnoreError();
}

void FakeShim::SetHandler(Handler handler) {
  absl::MutexLock lock(&mutex_);
  handler_ = std::move(handler);
}

UniqueFd FakeShim::Handshake() {
  auto pair = sys::SocketPair(SOCK_NONBLOCK).value();
  {
    absl::MutexLock lock(&mutex_);
    connections_.push_back(std::move(pair.second));
  }
  Wake();
  return std::move(pair.first);
}

UniqueFd FakeShim::Pidfd() const {
  return sys::Duplicate(death_.get()).value();
}

void FakeShim::Send(const shim::Envelope& envelope) {
  absl::MutexLock lock(&mutex_);
  for (const UniqueFd& connection : connections_) {
    SendEnvelope(connection.get(), envelope, {}).IgnoreError();
  }
}

void FakeShim::SendRaw(absl::string_view bytes) {
  absl::MutexLock lock(&mutex_);
  for (const UniqueFd& connection : connections_) {
    sys::Send(connection.get(), bytes).IgnoreError();
  }
}

void FakeShim::DropConnections() {
  absl::MutexLock lock(&mutex_);
  connections_.clear();
  Wake();
}

void FakeShim::StopListening() {
  absl::MutexLock lock(&mutex_);
  listening_ = false;
  connections_.clear();
  listener_.Reset();
  Wake();
}

void FakeShim::Pause(bool paused) {
  absl::MutexLock lock(&mutex_);
  paused_ = paused;
  Wake();
}

void FakeShim::Die() {
  StopListening();
  Ring(death_);
}

int FakeShim::connections() {
  absl::MutexLock lock(&mutex_);
  return connections_.size();
}

void FakeShim::Wake() { Ring(wake_); }

void FakeShim::Run() {
  for (;;) {
    std::vector<pollfd> polled;
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
      polled.push_back({wake_.get(), POLLIN, 0});
      if (listening_) polled.push_back({listener_.get(), POLLIN, 0});
      for (const UniqueFd& connection : connections_) {
        if (!paused_) polled.push_back({connection.get(), POLLIN, 0});
      }
    }
    ::poll(polled.data(), polled.size(), -1);
    uint64_t wakes;
    (void)!::read(wake_.get(), &wakes, sizeof(wakes));
    absl::MutexLock lock(&mutex_);
    if (listening_) {
      absl::StatusOr<UniqueFd> accepted =
          sys::Accept(listener_.get(), SOCK_NONBLOCK);
      if (accepted.ok()) connections_.push_back(*std::move(accepted));
    }
    for (size_t i = 0; i < connections_.size() && !paused_; ++i) Serve(i);
    std::erase_if(connections_, [](const UniqueFd& fd) { return !fd; });
  }
}

void FakeShim::Serve(size_t connection) {
  for (;;) {
    const int socket = connections_[connection].get();
    absl::StatusOr<Incoming> request = ReceiveEnvelope(socket);
    if (!request.ok()) {
      if (!IsWouldBlock(request.status())) connections_[connection].Reset();
      return;
    }
    const uint64_t id = request->envelope.id();
    Incoming answer = handler_(*std::move(request));
    if (answer.envelope.body_case() == shim::Envelope::BODY_NOT_SET) continue;
    answer.envelope.set_version(kProtocolVersion);
    if (answer.envelope.id() == 0) answer.envelope.set_id(id);
    SendEnvelope(socket, answer.envelope, answer.fds).IgnoreError();
  }
}

}  // namespace gantry::shim_client
