// The shim's socket and its clients.
//
// A client is named by a number that is never used again, so that late answers
// find their client or nobody. Ownership: of all sockets; `loop` must outlive
// this. Thread safety: none. Never blocks.

#ifndef GANTRY_SHIM_LOOP_CONTROL_SERVER_H_
#define GANTRY_SHIM_LOOP_CONTROL_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"
#include "shim/loop/connection.h"

namespace gantry::shim {

using ClientId = uint64_t;

class ControlServer {
 public:
  using Handler =
      std::function<void(ClientId, Envelope, std::vector<UniqueFd>)>;

  ControlServer(sys::EpollLoop& loop, Handler handler)
      : loop_(loop), handler_(std::move(handler)) {}
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  ~ControlServer();

  // Binds `name` (mode 0600) in the directory and accepts clients of uid 0.
  absl::Status Listen(int directory, absl::string_view name);

  // A client whose socket is there already. Takes it if that succeeds.
  absl::StatusOr<ClientId> Adopt(UniqueFd& socket);

  // False if the client is gone.
  bool Send(ClientId client, const Envelope& message,
            std::vector<UniqueFd> fds = {});
  void Broadcast(const Envelope& message);

  // Nothing waits for any client to read.
  bool AllSent() const;

 private:
  struct Client {
    ClientId id;
    std::unique_ptr<Connection> connection;
  };

  void OnAccept();
  void Drop(ClientId client);

  sys::EpollLoop& loop_;
  Handler handler_;
  UniqueFd listener_;
  ClientId next_id_ = 1;
  std::vector<Client> clients_;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_LOOP_CONTROL_SERVER_H_
