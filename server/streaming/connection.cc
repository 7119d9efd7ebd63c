#include "server/streaming/connection.h"

#include <algorithm>
#include <string>
#include <utility>

#include "boost/asio/post.hpp"
#include "glog/logging.h"

namespace gantry::streaming {
namespace {

using std::chrono::steady_clock;

// Sessions write while no more than this waits for the client.
constexpr size_t kRoom = 256 << 10;
// Answers to the client's own frames (pings, refusals) are not asked for room:
// one that asks without reading is cut off here.
constexpr size_t kMostQueued = 4 << 20;
// What is read ahead of a hold, so that the end of a client that has gone shows
// behind what it had sent: as much as a socket of Linux keeps unsent by default
// (tcp(7), tcp_wmem). Each piece is counted with what keeping it costs.
constexpr size_t kMostAhead = 4 << 20;
constexpr size_t kPieceCost = 64;
constexpr std::chrono::seconds kTickWhileHeld{1};
constexpr std::chrono::seconds kTick{60};

}  // namespace

Connection::Connection(boost::asio::io_context& io, Parts parts)
    : io_(io),
      parts_(std::move(parts)),
      tick_(io),
      active_(steady_clock::now()) {
  codec_ = parts_.make_codec(*parts_.session, [this](std::string bytes) {
    if (closed_ || finishing_) return;
    parts_.transport->Send(std::move(bytes));
    if (parts_.transport->Queued() > kMostQueued) Abort();
  });
}

void Connection::Start() {
  parts_.session->Start(*this);
  parts_.transport->Start(shared_from_this());
  ArmTick();
  codec_->Open();
}

bool Connection::HasRoom() const { return parts_.transport->Queued() < kRoom; }

void Connection::HoldInput() {
  if (++holds_ > 1 || finishing_) return;
  parts_.transport->Hold(true);
  ArmTick();
}

void Connection::ReleaseInput() {
  if (--holds_ > 0 || closed_ || finishing_) return;
  if (ahead_.empty()) {
    parts_.transport->Hold(false);
    return;
  }
  // Who releases may be in the middle of writing what came before.
  parts_.transport->Hold(true);
  boost::asio::post(io_, [self = shared_from_this()] { self->CatchUp(); });
}

void Connection::CatchUp() {
  while (holds_ == 0 && !ahead_.empty()) {
    const Piece piece = std::move(ahead_.front());
    ahead_.pop_front();
    ahead_size_ -= piece.bytes.size() + kPieceCost;
    Receive(piece.bytes, piece.end_of_message);
  }
  if (holds_ == 0 && !closed_ && !finishing_) parts_.transport->Hold(false);
}

void Connection::ForgetAhead() {
  ahead_.clear();
  ahead_size_ = 0;
}

void Connection::Finish() {
  if (std::exchange(finishing_, true)) return;
  ForgetAhead();
  parts_.transport->Finish();
}

void Connection::Abort() {
  finishing_ = true;
  ForgetAhead();
  parts_.transport->Abort();
}

void Connection::OnBytes(absl::string_view bytes, bool end_of_message) {
  if (finishing_) return;
  active_ = steady_clock::now();
  if (holds_ == 0 && ahead_.empty()) {
    Receive(bytes, end_of_message);
    return;
  }
  ahead_.push_back({std::string(bytes), end_of_message});
  ahead_size_ += bytes.size() + kPieceCost;
  if (ahead_size_ >= kMostAhead) parts_.transport->Hold(true);
}

void Connection::Receive(absl::string_view bytes, bool end_of_message) {
  absl::Status received = codec_->Receive(bytes, end_of_message);
  if (received.ok()) return;
  VLOG(1) << "streaming connection: " << received;
  Abort();
}

void Connection::OnSent() {
  active_ = steady_clock::now();
  if (!closed_ && !finishing_ && HasRoom()) parts_.session->OnRoom();
}

void Connection::OnClosed(const absl::Status& why) {
  VLOG_IF(1, !why.ok()) << "streaming connection closed: " << why;
  closed_ = true;
  ForgetAhead();
  tick_.cancel();
  parts_.session->OnGone();
  if (parts_.ended) std::exchange(parts_.ended, nullptr)(this);
}

void Connection::ArmTick() {
  if (closed_) return;
  tick_.expires_after(holds_ > 0 ? kTickWhileHeld
                                 : std::min(kTick, parts_.idle_timeout));
  tick_.async_wait(
      [self = shared_from_this()](boost::system::error_code cancelled) {
        if (!cancelled) self->Tick();
      });
}

void Connection::Tick() {
  if (closed_) return;
  if (holds_ > 0 && parts_.transport->PeerHasClosed()) {
    Abort();
  } else if (steady_clock::now() - active_ >= parts_.idle_timeout) {
    LOG(INFO) << "streaming connection closed: idle for "
              << parts_.idle_timeout.count() << " s";
    Abort();
  } else {
    if (holds_ > 0 && ahead_size_ < kMostAhead) parts_.transport->Hold(false);
    ArmTick();
  }
}

}  // namespace gantry::streaming
