#include "server/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "server/socket_path.h"
#include "server/work/thread.h"

namespace gantry::server {
namespace {

constexpr mode_t kSocketMode = 0600;
// After accept failed for want of something.
constexpr std::chrono::milliseconds kPause{100};

UniqueFd Accept(int socket) {
  return UniqueFd(
      ::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

absl::StatusOr<UniqueFd> OpenReserve() {
  return sys::OpenAt(AT_FDCWD, "/dev/null", O_RDONLY);
}

absl::StatusOr<UniqueFd> Bind(const std::string& path) {
  const std::string what = absl::StrCat("serve on ", path);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": the path is too long"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  UniqueFd socket(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoStatus(errno, what);
  // The file gets the mode that the socket has when it is bound (unix(7)).
  if (::fchmod(socket.get(), kSocketMode) != 0 ||
      ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address),
             sizeof address) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0) {
    return ErrnoStatus(errno, what);
  }
  return socket;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Listen(std::string path) {
  RETURN_IF_ERROR(FreeSocketPath(path));
  ASSIGN_OR_RETURN(UniqueFd reserve, OpenReserve());
  ASSIGN_OR_RETURN(std::unique_ptr<sys::EpollLoop> loop,
                   sys::EpollLoop::Create());
  ASSIGN_OR_RETURN(UniqueFd socket, Bind(path));
  return std::unique_ptr<Listener>(new Listener(
      std::move(path), std::move(socket), std::move(reserve), std::move(loop)));
}

Listener::~Listener() { Stop(); }

absl::Status Listener::Begin(Take take) {
  take_ = std::move(take);
  RETURN_IF_ERROR(
      loop_->Add(socket_.get(), EPOLLIN, [this](uint32_t) { AcceptAll(); }));
  ASSIGN_OR_RETURN(thread_, work::StartThread("accept", [this] {
                     const absl::Status ended = loop_->Run();
                     // Nobody could reach this server any more.
                     CHECK(ended.ok()) << ended;
                   }));
  return absl::OkStatus();
}

void Listener::Stop() {
  if (!socket_.valid()) return;
  loop_->Stop();
  if (thread_.joinable()) thread_.join();
  // First: whoever finds nobody behind the file would remove it, and the next
  // server's with it.
  sys::UnlinkAt(AT_FDCWD, path_).IgnoreError();
  socket_.Reset();
}

void Listener::AcceptAll() {
  while (true) {
    UniqueFd connection = Accept(socket_.get());
    if (!connection.valid()) return OnFailure(errno);
    if (exhausted_) {
      LOG(WARNING) << "clients are served again; " << turned_away_
                   << " were turned away";
      exhausted_ = false;
      turned_away_ = 0;
    }
    take_(std::move(connection));
  }
}

void Listener::OnFailure(int error) {
  switch (error) {
    case EAGAIN:
      return;
    case EINTR:
    case ECONNABORTED:  // the client has gone; epoll tells of the others
      return;
    case EMFILE:
    case ENFILE:
      TurnAway();
      return Pause();
    default:
      LOG(WARNING) << ErrnoStatus(error, "accept a client");
      return Pause();
  }
}

void Listener::TurnAway() {
  LOG_IF(WARNING, !exhausted_)
      << "no descriptors are left (ulimit -n): clients are turned away";
  exhausted_ = true;
  reserve_.Reset();
  for (UniqueFd client = Accept(socket_.get()); client.valid();
       client = Accept(socket_.get())) {
    ++turned_away_;
    client.Reset();
  }
  absl::StatusOr<UniqueFd> reserve = OpenReserve();
  // Without one they wait, which is no worse than without this.
  if (reserve.ok()) reserve_ = *std::move(reserve);
}

void Listener::Pause() {
  auto listen = [this](uint32_t events) {
    const absl::Status changed = loop_->Modify(socket_.get(), events);
    LOG_IF(ERROR, !changed.ok()) << "watch the socket: " << changed;
  };
  listen(0);
  loop_->AddTimer(kPause, [listen] { listen(EPOLLIN); });
}

}  // namespace gantry::server
