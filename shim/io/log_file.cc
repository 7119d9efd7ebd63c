#include "shim/io/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/string_view.h"

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

LogFile::LogFile(UniqueFd fd) : fd_(NonBlocking(std::move(fd))) {}

bool LogFile::Flush() {
  while (!buffer_.empty()) {
    const absl::string_view pending = buffer_.pending();
    if (discards()) {
      buffer_.Consume(pending.size());
      return true;
    }
    const ssize_t written = write(fd_.get(), pending.data(), pending.size());
    if (written > 0) {
      buffer_.Consume(static_cast<size_t>(written));
    } else if (written < 0 && errno == EINTR) {
      continue;
    } else {
      return false;
    }
  }
  return true;
}

void LogFile::SwitchTo(UniqueFd fd) {
  if (!Flush()) {
    const absl::string_view all = buffer_.history();
    const size_t done = all.size() - buffer_.pending().size();
    const size_t newline = all.substr(0, done).rfind('\n');
    const size_t record = newline == absl::string_view::npos ? 0 : newline + 1;
    buffer_.Unconsume(done - record);
  }
  fd_ = NonBlocking(std::move(fd));
}

}  // namespace gantry::shim
