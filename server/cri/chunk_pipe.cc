#include "server/cri/chunk_pipe.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <utility>

#include "glog/logging.h"

namespace gantry::cri {

void ChunkPipe::Write(std::string chunk, Done done) {
  loop_.Post([self = shared_from_this(), chunk = std::move(chunk),
              done = std::move(done)]() mutable {
    self->chunk_ = std::move(chunk);
    self->written_ = 0;
    self->done_ = std::move(done);
    self->Continue();
  });
}

void ChunkPipe::Close() {
  loop_.Post([self = shared_from_this()] {
    if (self->done_) self->End(false);
    self->fd_.Reset();
  });
}

void ChunkPipe::Continue() {
  while (fd_.valid() && written_ < chunk_.size()) {
    ssize_t n =
        ::write(fd_.get(), chunk_.data() + written_, chunk_.size() - written_);
    if (n >= 0) {
      written_ += n;
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return End(false);
    if (watched_) return;
    absl::Status added = loop_.loop().Add(
        fd_.get(), EPOLLOUT,
        [self = shared_from_this()](uint32_t /*events*/) { self->Continue(); });
    if (!added.ok()) {
      LOG(ERROR) << "watch the pipe of an image archive: " << added;
      return End(false);
    }
    watched_ = true;
    return;
  }
  End(fd_.valid());
}

void ChunkPipe::End(bool written) {
  // The handler that may be running holds the last reference.
  std::shared_ptr<ChunkPipe> self = shared_from_this();
  if (watched_) loop_.loop().Remove(fd_.get());
  watched_ = false;
  chunk_.clear();
  if (Done done = std::exchange(done_, nullptr)) done(written);
}

}  // namespace gantry::cri
