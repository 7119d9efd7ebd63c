// One client of a shim: messages in, messages out.
//
// What the peer doesn't take at once waits, up to kMaxWaiting messages; a peer
// that lets more come up is closed. Ownership: of the socket and of descriptors
// that wait to be sent; `loop` must outlive this. Thread safety: none. Never
// blocks.

#ifndef GANTRY_SHIM_LOOP_CONNECTION_H_
#define GANTRY_SHIM_LOOP_CONNECTION_H_

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"

namespace gantry::shim {

class Connection {
 public:
  static constexpr size_t kMaxWaiting = 256;
  // Messages taken from one client before others get their turn.
  static constexpr int kTurn = 16;

  // Neither is called from Send; `closed` may destroy the connection.
  using Received = std::function<void(Envelope, std::vector<UniqueFd>)>;
  using Closed = std::function<void()>;

  Connection(sys::EpollLoop& loop, Received received, Closed closed)
      : loop_(loop),
        received_(std::move(received)),
        closed_(std::move(closed)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Once, before anything else. Takes `socket`, non-blocking, if that succeeds.
  absl::Status Begin(UniqueFd& socket);

  // Best effort: a peer that is gone or doesn't read is closed by the loop.
  void Send(const Envelope& message, std::vector<UniqueFd> fds);

  // Nothing waits for the peer to read.
  bool AllSent() const { return waiting_.empty(); }

 private:
  struct Outgoing {
    Envelope message;
    std::vector<UniqueFd> fds;
  };

  void OnEvent(uint32_t events);
  // Each returns false when the connection is at its end.
  bool ReceiveSome();
  bool SendWaiting();
  // Closes by way of the loop, for the caller may be using the connection.
  void Break();

  sys::EpollLoop& loop_;
  UniqueFd socket_;
  Received received_;
  Closed closed_;
  std::vector<Outgoing> waiting_;
  bool broken_ = false;
  // Set while a message is handed out: whether the connection still exists.
  bool* alive_ = nullptr;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_LOOP_CONNECTION_H_
