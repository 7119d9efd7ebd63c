#include "shim/io/attach_outputs.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "runtime/base/status.h"

namespace gantry::shim {

AttachOutputs::~AttachOutputs() {
  for (const auto& client : clients_) loop_.Remove(client->fd.get());
}

absl::Status AttachOutputs::Add(Stream stream, UniqueFd fd) {
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "make attach client non-blocking");
  }
  auto owned = std::make_unique<Client>(Client{stream, std::move(fd), {}});
  Client* client = owned.get();
  // Errors and hang-ups are always told.
  RETURN_IF_ERROR(loop_.Add(client->fd.get(), 0, [this, client](uint32_t what) {
    OnEvent(client, what);
  })) << "watch attach client";
  clients_.push_back(std::move(owned));
  return absl::OkStatus();
}

void AttachOutputs::Write(Stream stream, absl::string_view data) {
  for (size_t i = 0; i < clients_.size();) {
    Client& client = *clients_[i];
    if (client.stream == stream && !Deliver(client, data)) {
      Drop(&client);
    } else {
      ++i;
    }
  }
}

void AttachOutputs::End(Stream stream) {
  for (size_t i = 0; i < clients_.size();) {
    Client& client = *clients_[i];
    if (client.stream == stream) client.ended = true;
    if (client.ended && client.pending.empty()) {
      Drop(&client);
    } else {
      ++i;
    }
  }
}

bool AttachOutputs::AllSent() const {
  for (const auto& client : clients_) {
    if (!client->pending.empty()) return false;
  }
  return true;
}

bool AttachOutputs::Send(Client& client, absl::string_view& data) {
  while (!data.empty()) {
    const ssize_t written = write(client.fd.get(), data.data(), data.size());
    if (written >= 0) {
      client.failed = false;
      data.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      return true;
    } else if (errno == EPIPE ||
               (errno != EINTR && std::exchange(client.failed, true))) {
      return false;
    }
  }
  return true;
}

bool AttachOutputs::Deliver(Client& client, absl::string_view data) {
  const bool waiting = !client.pending.empty();
  if (!waiting && !Send(client, data)) return false;
  if (data.empty()) return true;
  if (client.pending.size() + data.size() > kMaxBehind) return false;
  client.pending.append(data.data(), data.size());
  return waiting || loop_.Modify(client.fd.get(), EPOLLOUT).ok();
}

bool AttachOutputs::Flush(Client& client) {
  absl::string_view data = client.pending;
  if (!Send(client, data)) return false;
  client.pending.erase(0, client.pending.size() - data.size());
  if (!data.empty()) return true;
  client.pending = std::string();
  return !client.ended && loop_.Modify(client.fd.get(), 0).ok();
}

void AttachOutputs::OnEvent(Client* client, uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0 || !Flush(*client)) Drop(client);
}

void AttachOutputs::Drop(Client* client) {
  loop_.Remove(client->fd.get());
  for (auto it = clients_.begin(); it != clients_.end(); ++it) {
    if (it->get() == client) {
      clients_.erase(it);
      return;
    }
  }
}

}  // namespace gantry::shim
