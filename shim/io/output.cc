#include "shim/io/output.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "runtime/base/status.h"

namespace gantry::shim {
namespace {

constexpr std::chrono::milliseconds kIdle{1000};
constexpr int kFirstRetryMs = 100;
constexpr int kLastRetryMs = 1000;
// Once the rate is used up nothing is written until so much time's worth of it
// has come back: a batch, and not so many gaps that telling of them takes more
// room than the lines do.
constexpr std::chrono::milliseconds kRefillToGoOn{100};
constexpr std::chrono::milliseconds kRefillToEndGap{500};

}  // namespace

Output::Output(sys::EpollLoop& loop, const Clock& clock, UniqueFd log,
               OutputPolicy policy)
    : loop_(loop),
      clock_(clock),
      log_(std::move(log), std::move(policy.rotation)),
      drops_(policy.drops),
      rate_(policy.rate),
      attached_(loop) {}

Output::~Output() {
  if (retry_timer_.has_value()) loop_.CancelTimer(*retry_timer_);
  if (idle_timer_armed_) loop_.CancelTimer(idle_timer_);
  for (std::optional<Source>& source : sources_) {
    if (source.has_value()) Unwatch(*source);
  }
}

absl::Status Output::AddStream(Stream stream, UniqueFd fd) {
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "make the container's output non-blocking");
  }
  std::optional<Source>& source = sources_[static_cast<int>(stream)];
  source.emplace(
      Source{stream, std::move(fd),
             LineFramer(stream == Stream::kStdout ? "stdout" : "stderr")});
  return blocked_ && !drops_ ? absl::OkStatus() : Watch(*source);
}

void Output::ReopenLog(UniqueFd log) {
  log_.SwitchTo(std::move(log));
  if (blocked_) Retry();
}

void Output::LiftRate() {
  if (!rate_.limited()) return;
  rate_ = ByteRate(0);
  over_rate_ = false;
  if (blocked_) Retry();
}

void Output::PumpAll() {
  for (std::optional<Source>& source : sources_) {
    if (blocked_ && !drops_) return;
    if (source.has_value() && !source->finished) Pump(*source);
  }
}

void Output::Finish() {
  if (retry_timer_.has_value()) loop_.CancelTimer(*retry_timer_);
  retry_timer_.reset();
  blocked_ = false;
  for (std::optional<Source>& source : sources_) {
    if (!source.has_value()) continue;
    Unwatch(*source);
    source->at_end = true;
  }
  if (!log_.buffer().Acquire()) return;
  Consume();
  for (std::optional<Source>& source : sources_) {
    if (source.has_value() && !source->finished) EndSource(*source);
  }
  log_.Flush();
}

bool Output::Ended() const {
  for (const std::optional<Source>& source : sources_) {
    if (source.has_value() && !source->finished) return false;
  }
  return !blocked_;
}

void Output::Pump(Source& source) {
  if (!input_.Acquire() || !log_.buffer().Acquire()) return;  // out of memory
  ArmIdleTimer();
  for (size_t turn = 0; turn < kTurn && !source.at_end;) {
    const ssize_t size = read(source.fd.get(), input_.tail(), input_.room());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    // A master whose last slave was closed answers EIO, again and again.
    if (size < 0 && !std::exchange(source.failed, true)) continue;
    if (size <= 0) {
      source.at_end = true;
      break;
    }
    source.failed = false;
    attached_.Write(
        source.stream,
        absl::string_view(input_.tail(), static_cast<size_t>(size)));
    input_.Append(static_cast<size_t>(size));
    input_owner_ = &source;
    input_time_ = clock_.UnixNanos();
    if (!Consume()) return Block();
    turn += static_cast<size_t>(size);
    // A short read has emptied the pipe: save the read that would say so.
    if (static_cast<size_t>(size) < 4096) break;
  }
  if (source.at_end && !EndSource(source)) return Block();
  // While it is waited for, the log is not tried with every read.
  if (!blocked_ && !log_.Flush()) Block();
}

int64_t Output::Allowance() {
  return rate_.Allowance(rate_.limited() ? clock_.BootNanos() : 0);
}

bool Output::TakesRecord() {
  if (over_rate_) return false;
  if (Allowance() <= 0) {
    over_rate_ = true;
    return false;
  }
  if (log_.buffer().room() >= LineFramer::kMaxRecord) return true;
  return !blocked_ && log_.Flush();
}

bool Output::Consume() {
  if (log_.discards()) {
    input_.Consume(input_.pending().size());
    return true;
  }
  while (!input_.empty()) {
    LineFramer& framer = input_owner_->framer;
    if (TakesRecord()) {
      int64_t allowance = Allowance();
      const int64_t before = allowance;
      input_.Consume(framer.Frame(input_.pending(), input_time_, log_.buffer(),
                                  allowance));
      rate_.Take(before - allowance);
    } else if (drops_) {
      framer.Drop(input_.pending());
      input_.Consume(input_.pending().size());
    } else {
      return false;
    }
  }
  if (blocked_) return true;  // the timer is set
  if (over_rate_) return false;
  return log_.buffer().pending().size() < LogFile::kEnough || log_.Flush();
}

bool Output::EndSource(Source& source) {
  if (!log_.discards() &&
      !source.framer.Finish(clock_.UnixNanos(), log_.buffer())) {
    if (!log_.Flush() ||
        !source.framer.Finish(clock_.UnixNanos(), log_.buffer())) {
      return false;
    }
  }
  Unwatch(source);
  source.finished = true;
  source.fd.Reset();
  attached_.End(source.stream);
  return true;
}

void Output::Block() {
  for (std::optional<Source>& source : sources_) {
    if (source.has_value() && (!drops_ || source->at_end)) Unwatch(*source);
  }
  if (blocked_) return;
  blocked_ = true;
  // What may be written is not kept back with the rest.
  if (over_rate_) log_.Flush();
  retry_timer_ = loop_.AddTimer(NextRetry(), [this] {
    retry_timer_.reset();
    Retry();
  });
}

std::chrono::nanoseconds Output::NextRetry() {
  if (over_rate_) return rate_.Until(Refill(), clock_.BootNanos());
  retry_ms_ = std::clamp(retry_ms_ * 2, kFirstRetryMs,
                         drops_ ? kFirstRetryMs : kLastRetryMs);
  return std::chrono::milliseconds(retry_ms_);
}

std::chrono::nanoseconds Output::Refill() const {
  return drops_ ? kRefillToEndGap : kRefillToGoOn;
}

void Output::Retry() {
  if (retry_timer_.has_value()) loop_.CancelTimer(*retry_timer_);
  retry_timer_.reset();
  blocked_ = false;
  if (over_rate_) {
    over_rate_ = rate_.Until(Refill(), clock_.BootNanos()).count() > 0;
    if (over_rate_) return Block();
  }
  if (!log_.Flush() || !Consume()) return Block();
  for (std::optional<Source>& source : sources_) {
    // There is room: where lines are dropped nothing else has waited.
    if (source.has_value() && !source->finished) {
      source->framer.EndGap(clock_.UnixNanos(), log_.buffer());
    }
  }
  if (!log_.Flush()) return Block();
  for (std::optional<Source>& source : sources_) {
    if (source.has_value() && source->at_end && !source->finished &&
        (!EndSource(*source) || !log_.Flush())) {
      return Block();
    }
  }
  retry_ms_ = 0;
  for (std::optional<Source>& source : sources_) {
    if (!source.has_value() || source->finished) continue;
    // Not watched for want of memory: the next retry tries again.
    if (!Watch(*source).ok()) return Block();
  }
}

// Removed rather than masked while blocked: a hang-up would be told all the
// same, without end.
absl::Status Output::Watch(Source& source) {
  if (source.watched || source.at_end) return absl::OkStatus();
  RETURN_IF_ERROR(loop_.Add(source.fd.get(), EPOLLIN,
                            [this, &source](uint32_t) { Pump(source); }))
      << "watch the container's output";
  source.watched = true;
  return absl::OkStatus();
}

void Output::Unwatch(Source& source) {
  if (source.watched) loop_.Remove(source.fd.get());
  source.watched = false;
}

// One timer for a burst, however many bytes it has.
void Output::ArmIdleTimer() {
  active_ = true;
  if (idle_timer_armed_) return;
  idle_timer_armed_ = true;
  idle_timer_ = loop_.AddTimer(kIdle, [this] {
    idle_timer_armed_ = false;
    ReleaseIfIdle();
  });
}

void Output::ReleaseIfIdle() {
  if (active_ || blocked_) {
    ArmIdleTimer();
    active_ = false;
    return;
  }
  input_.Release();
  log_.buffer().Release();
  for (std::optional<Source>& source : sources_) {
    if (source.has_value()) source->framer.Shrink();
  }
}

}  // namespace gantry::shim
