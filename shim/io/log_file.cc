#include "shim/io/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/sys/file.h"

namespace gantry::shim {
namespace {

// A log that is a FIFO must not stop the shim's loop.
UniqueFd NonBlocking(UniqueFd fd) {
  if (fd.valid()) {
    const int flags = fcntl(fd.get(), F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) == 0) {
      fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
    }
  }
  return fd;
}

}  // namespace

LogFile::LogFile(UniqueFd fd, std::unique_ptr<const LogRotation> rotation)
    : rotation_(std::move(rotation)) {
  Use(std::move(fd));
}

void LogFile::Use(UniqueFd fd) {
  fd_ = NonBlocking(std::move(fd));
  if (rotation_ == nullptr) return;
  const absl::StatusOr<struct stat> stat = sys::StatFd(fd_.get());
  size_ = stat.ok() ? static_cast<uint64_t>(stat->st_size) : 0;
  rotate_at_ = rotation_->max_size;
}

bool LogFile::Flush() {
  while (!buffer_.empty()) {
    if (discards()) {
      buffer_.Consume(buffer_.pending().size());
      return true;
    }
    const absl::string_view piece =
        rotation_ == nullptr ? buffer_.pending() : NextPiece();
    const ssize_t written = write(fd_.get(), piece.data(), piece.size());
    if (written > 0) {
      buffer_.Consume(static_cast<size_t>(written));
      size_ += static_cast<uint64_t>(written);
    } else if (written < 0 && errno == EINTR) {
      continue;
    } else {
      return false;
    }
  }
  return true;
}

bool LogFile::InRecord() {
  const absl::string_view all = buffer_.history();
  const size_t done = all.size() - buffer_.pending().size();
  return done > 0 && all[done - 1] != '\n';
}

absl::string_view LogFile::NextPiece() {
  const absl::string_view pending = buffer_.pending();
  for (bool tried = false;; tried = true) {
    if (size_ + pending.size() <= rotate_at_) return pending;
    const size_t room = rotate_at_ > size_ ? rotate_at_ - size_ : 0;
    const size_t last = pending.substr(0, room).rfind('\n');
    if (last != absl::string_view::npos) return pending.substr(0, last + 1);
    // What was begun is finished where it was.
    if (tried || InRecord()) return pending.substr(0, pending.find('\n') + 1);
    Rotate();
  }
}

void LogFile::Rotate() {
  // Somebody may have cut it.
  const absl::StatusOr<struct stat> stat = sys::StatFd(fd_.get());
  if (stat.ok() && static_cast<uint64_t>(stat->st_size) < size_) {
    size_ = static_cast<uint64_t>(stat->st_size);
    rotate_at_ = rotation_->max_size;
    return;
  }
  absl::StatusOr<UniqueFd> next = rotation_->Rotate(fd_.get());
  if (next.ok()) return Use(*std::move(next));
  rotate_at_ = size_ + rotation_->max_size / 4;
}

void LogFile::SwitchTo(UniqueFd fd) {
  if (!Flush()) {
    const absl::string_view all = buffer_.history();
    const size_t done = all.size() - buffer_.pending().size();
    const size_t newline = all.substr(0, done).rfind('\n');
    const size_t record = newline == absl::string_view::npos ? 0 : newline + 1;
    buffer_.Unconsume(done - record);
  }
  if (rotation_ != nullptr && !rotation_->IsCurrent(fd.get())) {
    absl::StatusOr<UniqueFd> current = rotation_->Open();
    if (current.ok()) fd = *std::move(current);
  }
  Use(std::move(fd));
}

}  // namespace gantry::shim
