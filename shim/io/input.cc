#include "shim/io/input.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/base/status.h"

namespace gantry::shim {
namespace {

absl::Status MakeNonBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "make input non-blocking");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Input::SetTarget(UniqueFd fd) {
  RETURN_IF_ERROR(MakeNonBlocking(fd.get()));
  // Nothing to wait for but the reader's end (an error event).
  RETURN_IF_ERROR(loop_.Add(fd.get(), 0, [this](uint32_t events) {
    OnTarget(events);
  })) << "watch the container's input";
  target_ = std::move(fd);
  return absl::OkStatus();
}

absl::Status Input::AddSource(UniqueFd fd) {
  if (!open()) {
    return absl::FailedPreconditionError("the container's input is closed");
  }
  RETURN_IF_ERROR(MakeNonBlocking(fd.get()));
  const int number = fd.get();
  if (!paused_) {
    RETURN_IF_ERROR(loop_.Add(number, EPOLLIN, [this, number](uint32_t) {
      OnSource(number);
    })) << "watch attach input";
  }
  sources_.push_back(std::move(fd));
  return absl::OkStatus();
}

void Input::Close() {
  closing_ = true;
  if (pending_.empty()) CloseAll();
}

void Input::OnTarget(uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    // Nobody will read it any more.
    CloseAll();
    return;
  }
  Deliver();
}

void Input::OnSource(int fd) {
  char buffer[kPiece];
  const ssize_t size = read(fd, buffer, sizeof(buffer));
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  // Tried over: it is told of again.
  if (size < 0 && !std::exchange(failed_, true)) return;
  if (size <= 0) {
    DropSource(fd);
    if (once_) Close();
    return;
  }
  failed_ = false;
  pending_.assign(buffer, static_cast<size_t>(size));
  Deliver();
  if (!pending_.empty()) SetPaused(true);
}

void Input::Deliver() {
  while (!pending_.empty()) {
    const ssize_t written =
        write(target_.get(), pending_.data(), pending_.size());
    if (written > 0) {
      failed_ = false;
      pending_.erase(0, static_cast<size_t>(written));
      continue;
    }
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (errno != EPIPE && !std::exchange(failed_, true)) continue;
    CloseAll();
    return;
  }
  pending_ = std::string();
  if (closing_) {
    CloseAll();
  } else if (paused_) {
    SetPaused(false);
  }
}

// Sources are removed rather than masked: a hang-up would be told all the same,
// without end.
void Input::SetPaused(bool paused) {
  paused_ = paused;
  bool ok = loop_.Modify(target_.get(), paused ? uint32_t{EPOLLOUT} : 0).ok();
  for (const UniqueFd& source : sources_) {
    const int fd = source.get();
    loop_.Remove(fd);
    if (!paused) {
      ok =
          loop_.Add(fd, EPOLLIN, [this, fd](uint32_t) { OnSource(fd); }).ok() &&
          ok;
    }
  }
  if (!ok) CloseAll();
}

void Input::DropSource(int fd) {
  loop_.Remove(fd);
  std::erase_if(sources_, [fd](const UniqueFd& s) { return s.get() == fd; });
}

void Input::CloseAll() {
  closing_ = true;
  pending_ = std::string();
  for (const UniqueFd& source : sources_) loop_.Remove(source.get());
  sources_.clear();
  if (target_.valid()) loop_.Remove(target_.get());
  target_.Reset();
}

}  // namespace gantry::shim
