#include "server/shim/await.h"

#include <sys/epoll.h>

#include <memory>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "server/work/one_shot.h"

namespace gantry::shim_client {
namespace {

// Watches descriptors until one of them is ready or time is up. The last thing
// done on the loop's thread is to set the result, after the descriptors were
// unregistered: from then on their owner may close them.
class Watch : public std::enable_shared_from_this<Watch> {
 public:
  Watch(work::LoopThread& loop, work::Executor& executor, std::vector<int> fds)
      : loop_(loop), fds_(std::move(fds)), ready_(executor) {}

  // OK once one is ready.
  work::OneShot<absl::Status> Start(absl::Duration timeout) {
    loop_.Post([self = shared_from_this(), timeout] { self->Begin(timeout); });
    return ready_;
  }

 private:
  void Begin(absl::Duration timeout) {
    auto self = shared_from_this();
    for (; watched_ < fds_.size(); ++watched_) {
      absl::Status added =
          loop_.loop().Add(fds_[watched_], EPOLLIN,
                           [self](uint32_t) { self->End(absl::OkStatus()); });
      if (!added.ok()) {
        End(added);
        return;
      }
    }
    timer_ = loop_.SetTimeout(timeout, [self] {
      self->End(absl::DeadlineExceededError("nothing was heard of it in time"));
    });
  }

  void End(absl::Status status) {
    auto self = shared_from_this();
    if (std::exchange(ended_, true)) return;
    while (watched_ > 0) loop_.loop().Remove(fds_[--watched_]);
    timer_.Cancel();
    ready_.Set(std::move(status));
  }

  work::LoopThread& loop_;
  const std::vector<int> fds_;
  work::OneShot<absl::Status> ready_;
  // Only on the loop's thread.
  size_t watched_ = 0;
  bool ended_ = false;
  work::Timeout timer_;
};

}  // namespace

work::Task<absl::StatusOr<Incoming>> AwaitMessage(work::LoopThread& loop,
                                                  work::Executor& executor,
                                                  int socket, int pidfd,
                                                  absl::Duration timeout) {
  // It may be there: then nobody has to be woken for it.
  absl::StatusOr<Incoming> there = ReceiveEnvelope(socket);
  if (!IsWouldBlock(there.status())) {
    if (!absl::IsOutOfRange(there.status())) co_return there;
    co_return absl::UnavailableError("it ended without a word");
  }
  std::vector<int> fds;
  fds.push_back(socket);
  fds.push_back(pidfd);
  auto watch = std::make_shared<Watch>(loop, executor, std::move(fds));
  work::OneShot<absl::Status> ready = watch->Start(timeout);
  absl::Status status = co_await ready.Wait();
  CO_RETURN_IF_ERROR(status);
  absl::StatusOr<Incoming> message = ReceiveEnvelope(socket);
  if (IsWouldBlock(message.status()) || absl::IsOutOfRange(message.status())) {
    co_return absl::UnavailableError("it ended without a word");
  }
  co_return message;
}

work::Task<bool> AwaitDeath(work::LoopThread& loop, work::Executor& executor,
                            int pidfd, absl::Duration timeout) {
  std::vector<int> fds;
  fds.push_back(pidfd);
  auto watch = std::make_shared<Watch>(loop, executor, std::move(fds));
  work::OneShot<absl::Status> ready = watch->Start(timeout);
  absl::Status status = co_await ready.Wait();
  co_return status.ok();
}

}  // namespace gantry::shim_client
