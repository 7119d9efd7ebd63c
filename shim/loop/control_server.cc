#include "shim/loop/control_server.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <cerrno>

#include "runtime/base/status.h"
#include "runtime/sys/seqpacket.h"

namespace gantry::shim {
namespace {

absl::Status MakeNonBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "make a client's socket non-blocking");
  }
  return absl::OkStatus();
}

}  // namespace

ControlServer::~ControlServer() {
  if (listener_.valid()) loop_.Remove(listener_.get());
}

absl::Status ControlServer::Listen(int directory, absl::string_view name) {
  ASSIGN_OR_RETURN(listener_, sys::ListenAt(directory, name));
  RETURN_IF_ERROR(MakeNonBlocking(listener_.get()));
  return loop_.Add(listener_.get(), EPOLLIN, [this](uint32_t) { OnAccept(); });
}

absl::StatusOr<ClientId> ControlServer::Adopt(UniqueFd& socket) {
  RETURN_IF_ERROR(MakeNonBlocking(socket.get()));
  const ClientId id = next_id_++;
  auto connection = std::make_unique<Connection>(
      loop_,
      [this, id](Envelope message, std::vector<UniqueFd> fds) {
        handler_(id, std::move(message), std::move(fds));
      },
      [this, id] { Drop(id); });
  RETURN_IF_ERROR(connection->Begin(socket));
  clients_.push_back({id, std::move(connection)});
  return id;
}

bool ControlServer::Send(ClientId client, const Envelope& message,
                         std::vector<UniqueFd> fds) {
  for (Client& candidate : clients_) {
    if (candidate.id != client) continue;
    candidate.connection->Send(message, std::move(fds));
    return true;
  }
  return false;
}

void ControlServer::Broadcast(const Envelope& message) {
  for (Client& client : clients_) client.connection->Send(message, {});
}

bool ControlServer::AllSent() const {
  for (const Client& client : clients_) {
    if (!client.connection->AllSent()) return false;
  }
  return true;
}

void ControlServer::OnAccept() {
  absl::StatusOr<UniqueFd> socket = sys::Accept(listener_.get());
  if (!socket.ok()) return;  // the client went away, or no descriptor is left
  absl::StatusOr<ucred> peer = sys::PeerCredentials(socket->get());
  if (!peer.ok() || peer->uid != 0) return;
  // A client that can't be served is closed, and knows it by that.
  Adopt(*socket).status().IgnoreError();
}

void ControlServer::Drop(ClientId client) {
  std::erase_if(clients_, [client](const Client& c) { return c.id == client; });
}

}  // namespace gantry::shim
