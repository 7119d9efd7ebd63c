// The server's listening unix socket, and the thread that accepts on it.
//
// gRPC could listen by itself, but its listener is gone for good once accept
// fails for want of descriptors. Here one descriptor is kept in reserve: while
// there are no others a client is not left waiting but hung up on, and may come
// again; when there are some again, clients are served as ever.
//
// Ownership: the socket's file is this one's, from Listen to Stop.
// Thread safety: one owner. Listen blocks for a few file system calls, Stop for
// the client that is just being taken.

#ifndef GANTRY_SERVER_LISTENER_H_
#define GANTRY_SERVER_LISTENER_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"

namespace gantry::server {

class Listener {
 public:
  // Gets a connection (non-blocking, close-on-exec); on the listener's thread.
  using Take = std::function<void(UniqueFd connection)>;

  // The socket has mode 0600, never a wider one. Another server's in the way,
  // or a file, is an error (socket_path.h). Clients can connect from now on,
  // and wait for Begin.
  static absl::StatusOr<std::unique_ptr<Listener>> Listen(std::string path);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Once.
  absl::Status Begin(Take take);

  // Removes the socket's file; afterwards `take` is not called any more. Once
  // more does nothing.
  void Stop();

 private:
  Listener(std::string path, UniqueFd socket, UniqueFd reserve,
           std::unique_ptr<sys::EpollLoop> loop)
      : path_(std::move(path)),
        socket_(std::move(socket)),
        reserve_(std::move(reserve)),
        loop_(std::move(loop)) {}

  // On the thread.
  void AcceptAll();
  void OnFailure(int error);
  // Hangs up on those who wait.
  void TurnAway();
  void Pause();

  const std::string path_;
  UniqueFd socket_;
  // Invalid while there is no descriptor for it.
  UniqueFd reserve_;
  std::unique_ptr<sys::EpollLoop> loop_;
  Take take_;
  std::thread thread_;
  // Since the last client that was taken.
  bool exhausted_ = false;
  int turned_away_ = 0;
};

}  // namespace gantry::server

#endif  // GANTRY_SERVER_LISTENER_H_
