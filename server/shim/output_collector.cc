#include "server/shim/output_collector.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "glog/logging.h"
#include "runtime/base/status.h"
#include "server/shim/envelope.h"
#include "server/work/one_shot.h"

namespace gantry::shim_client {
namespace {

constexpr size_t kChunk = 64 << 10;
// Others on the loop have their turn after so much of one output.
constexpr size_t kBytesPerTurn = 1 << 20;

work::Task<Collected> Await(work::OneShot<Collected> result) {
  Collected collected = co_await result.Wait();
  co_return collected;
}

}  // namespace

class OutputCollector::Reader
    : public std::enable_shared_from_this<OutputCollector::Reader> {
 public:
  Reader(work::LoopThread& loop, work::Executor& executor, UniqueFd fd,
         size_t cap)
      : loop_(loop), cap_(cap), fd_(std::move(fd)), result_(executor) {}

  void Start() {
    loop_.Post([self = shared_from_this()] {
      absl::Status added = self->loop_.loop().Add(
          self->fd_.get(), EPOLLIN,
          [self](uint32_t) { self->Read(kBytesPerTurn); });
      self->watched_ = added.ok();
      if (added.ok()) return;
      self->collected_.failure = Annotate(added, "watch a program's output");
      self->End();
    });
  }

  void FinishNow() {
    loop_.Post([self = shared_from_this()] {
      if (!self->fd_) return;
      // No more than is there now, for a writer may never stop.
      int arrived = 0;
      if (::ioctl(self->fd_.get(), FIONREAD, &arrived) != 0) {
        arrived = kBytesPerTurn;
      }
      self->Read(arrived);
      self->End();
    });
  }

  void Close() {
    loop_.Post([self = shared_from_this()] { self->End(); });
  }

  const work::OneShot<Collected>& result() const { return result_; }

 private:
  void Read(size_t most) {
    char chunk[kChunk];
    while (most > 0) {
      const ssize_t n = ::read(fd_.get(), chunk, std::min(most, sizeof(chunk)));
      if (n > 0) {
        Keep(chunk, n);
        most -= n;
      } else if (n < 0 && errno == EINTR) {
        continue;
      } else if (n < 0 && errno == EAGAIN) {
        return;
      } else {
        // The end; for a terminal without a program that is EIO.
        const int error = n < 0 ? errno : 0;
        if (error != 0 && !(error == EIO && ::isatty(fd_.get()) == 1)) {
          collected_.failure = ErrnoStatus(error, "read a program's output");
        }
        End();
        return;
      }
    }
  }

  void Keep(const char* data, size_t size) {
    const size_t room = cap_ - collected_.data.size();
    collected_.data.append(data, std::min(room, size));
    collected_.truncated = collected_.truncated || size > room;
  }

  void End() {
    auto self = shared_from_this();
    if (!fd_) return;
    if (std::exchange(watched_, false)) loop_.loop().Remove(fd_.get());
    fd_.Reset();
    result_.Set(std::move(collected_));
  }

  // Only on the loop's thread.
  work::LoopThread& loop_;
  const size_t cap_;
  UniqueFd fd_;
  bool watched_ = false;
  Collected collected_;

  work::OneShot<Collected> result_;
};

absl::StatusOr<std::unique_ptr<OutputCollector>> OutputCollector::Start(
    work::LoopThread& loop, work::Executor& executor, UniqueFd fd, size_t cap) {
  RETURN_IF_ERROR(SetNonBlocking(fd.get()));
  auto reader = std::make_shared<Reader>(loop, executor, std::move(fd), cap);
  reader->Start();
  return std::unique_ptr<OutputCollector>(
      new OutputCollector(std::move(reader)));
}

OutputCollector::OutputCollector(std::shared_ptr<Reader> reader)
    : reader_(std::move(reader)) {}

OutputCollector::~OutputCollector() { reader_->Close(); }

void OutputCollector::FinishNow() { reader_->FinishNow(); }

work::Task<Collected> OutputCollector::Wait() {
  return Await(reader_->result());
}

}  // namespace gantry::shim_client
