#include "server/streaming/pump.h"

#include <errno.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "boost/asio/error.hpp"
#include "boost/system/error_code.hpp"
#include "runtime/base/status.h"

namespace gantry::streaming {
namespace {

using Descriptor = boost::asio::posix::stream_descriptor;
using boost::system::error_code;

// Read at once; others have their turn between two.
constexpr size_t kPiece = 32 << 10;
// What may wait for a reader before the client is held, and when it goes on.
constexpr size_t kHoldAbove = 64 << 10;
constexpr size_t kReleaseBelow = 16 << 10;
// How long an output must be silent, after its program ended, to be over. What
// passes through a terminal may arrive a moment after the exit.
constexpr std::chrono::milliseconds kQuiet{200};

absl::Status Unwatched(const error_code& failed, absl::string_view what) {
  // Asio's word for epoll's EPERM.
  const bool refused = failed == boost::asio::error::operation_not_supported;
  return ErrnoStatus(refused ? EPERM : failed.value(),
                     absl::StrCat("watch an ", what));
}

// Whoever wrote is gone: a terminal that nobody has open any more says EIO, a
// socket ECONNRESET.
bool MeansEnd(int error, int fd) {
  return error == ECONNRESET || (error == EIO && ::isatty(fd) == 1);
}

void CloseQuietly(Descriptor& descriptor) {
  error_code ignored;
  descriptor.close(ignored);
}

}  // namespace

OutputPump::OutputPump(boost::asio::io_context& io, UniqueFd fd,
                       Callbacks callbacks)
    : descriptor_(io), quiet_(io), callbacks_(std::move(callbacks)) {
  error_code failed;
  const int number = fd.Release();
  descriptor_.assign(number, failed);
  if (!failed) return;
  assigned_ = Unwatched(failed, "output");
  UniqueFd closes(number);
}

void OutputPump::Start() {
  if (descriptor_.is_open()) {
    Wait();
  } else {
    End(assigned_);
  }
}

void OutputPump::OnRoom() {
  if (std::exchange(stalled_, false)) Read();
}

void OutputPump::Drain() {
  draining_ = true;
  if (descriptor_.is_open()) ArmQuiet();
}

void OutputPump::Close() {
  callbacks_ = Callbacks();
  quiet_.cancel();
  CloseQuietly(descriptor_);
}

void OutputPump::ArmQuiet() {
  // Silence counts only while somebody would hear.
  if (stalled_) return;
  quiet_.expires_after(kQuiet);
  quiet_.async_wait([self = shared_from_this()](error_code cancelled) {
    if (!cancelled && !self->stalled_) self->End(absl::OkStatus());
  });
}

void OutputPump::Wait() {
  if (waiting_ || !descriptor_.is_open()) return;
  waiting_ = true;
  descriptor_.async_wait(
      Descriptor::wait_read, [self = shared_from_this()](error_code failed) {
        self->waiting_ = false;
        if (failed == boost::asio::error::operation_aborted) {
          return;
        }
        if (failed) {
          self->End(Unwatched(failed, "output"));
        } else {
          self->Read();
        }
      });
}

void OutputPump::Read() {
  if (!descriptor_.is_open()) return;
  if (!callbacks_.has_room()) {
    stalled_ = true;
    return;
  }
  // Between the read and the delivery nothing else runs on this thread.
  static thread_local char piece[kPiece];
  const ssize_t size =
      ::read(descriptor_.native_handle(), piece, sizeof(piece));
  if (size == 0) {
    End(absl::OkStatus());
    return;
  }
  if (size < 0 && errno != EAGAIN && errno != EINTR) {
    const absl::Status failed = ErrnoStatus(errno, "read an output");
    End(MeansEnd(errno, descriptor_.native_handle()) ? absl::OkStatus()
                                                     : failed);
    return;
  }
  if (draining_) ArmQuiet();
  if (size > 0) {
    // The owner may close this pump from within.
    auto self = shared_from_this();
    callbacks_.deliver(absl::string_view(piece, static_cast<size_t>(size)));
  }
  Wait();
}

void OutputPump::End(const absl::Status& end) {
  quiet_.cancel();
  CloseQuietly(descriptor_);
  Callbacks callbacks = std::exchange(callbacks_, Callbacks());
  if (callbacks.ended) callbacks.ended(end);
}

InputPump::InputPump(boost::asio::io_context& io, Callbacks callbacks)
    : descriptor_(io), callbacks_(std::move(callbacks)) {}

void InputPump::Start(UniqueFd fd) {
  started_ = true;
  error_code failed;
  const int number = fd.Release();
  descriptor_.assign(number, failed);
  if (failed) {
    UniqueFd closes(number);
    Break(Unwatched(failed, "input"));
    return;
  }
  if (callbacks_.broken) WatchReader();
  Flush();
}

void InputPump::WatchReader() {
  descriptor_.async_wait(
      Descriptor::wait_error, [self = shared_from_this()](error_code failed) {
        if (failed == boost::asio::error::operation_aborted) {
          return;
        }
        self->Break(failed ? Unwatched(failed, "input") : absl::OkStatus());
      });
}

void InputPump::Write(absl::string_view data) {
  if (broken_ || ending_) {
    TellConsumed(data.size());
    return;
  }
  pending_.append(data.data(), data.size());
  if (started_ && !waiting_) Flush();
  if (pending_.size() > kHoldAbove && !held_ && callbacks_.hold) {
    held_ = true;
    callbacks_.hold(true);
  }
}

void InputPump::End() {
  if (std::exchange(ending_, true)) return;
  if (started_ && !waiting_) Flush();
}

void InputPump::Close() {
  broken_ = true;
  pending_ = std::string();
  if (std::exchange(held_, false) && callbacks_.hold) callbacks_.hold(false);
  callbacks_ = Callbacks();
  CloseQuietly(descriptor_);
}

void InputPump::Flush() {
  size_t written = 0;
  while (written < pending_.size() && descriptor_.is_open()) {
    const ssize_t size =
        ::write(descriptor_.native_handle(), pending_.data() + written,
                pending_.size() - written);
    if (size > 0) {
      written += static_cast<size_t>(size);
      failed_ = false;
    } else if (size < 0 && errno == EINTR) {
      continue;
    } else if (size < 0 && errno == EAGAIN) {
      break;
    } else if (errno == EPIPE || errno == ECONNRESET) {
      Break(absl::OkStatus());
      return;
    } else if (std::exchange(failed_, true)) {
      Break(ErrnoStatus(errno, "write an input"));
      return;
    }
  }
  pending_.erase(0, written);
  TellConsumed(written);
  if (!descriptor_.is_open()) return;
  if (held_ && pending_.size() < kReleaseBelow) {
    held_ = false;
    callbacks_.hold(false);
  }
  if (pending_.empty()) {
    if (!ending_) return;
    if (callbacks_.ended) {
      std::exchange(callbacks_.ended, nullptr)();
    } else {
      CloseQuietly(descriptor_);
    }
    return;
  }
  waiting_ = true;
  descriptor_.async_wait(
      Descriptor::wait_write, [self = shared_from_this()](error_code failed) {
        self->waiting_ = false;
        if (failed == boost::asio::error::operation_aborted || self->broken_) {
          return;
        }
        if (failed) {
          self->Break(Unwatched(failed, "input"));
        } else {
          self->Flush();
        }
      });
}

void InputPump::Break(const absl::Status& why) {
  if (std::exchange(broken_, true)) return;
  CloseQuietly(descriptor_);
  TellConsumed(std::exchange(pending_, std::string()).size());
  if (std::exchange(held_, false) && callbacks_.hold) callbacks_.hold(false);
  if (callbacks_.broken) std::exchange(callbacks_.broken, nullptr)(why);
}

void InputPump::TellConsumed(size_t size) {
  if (size > 0 && callbacks_.consumed) callbacks_.consumed(size);
}

}  // namespace gantry::streaming
