#include "runtime/sys/epoll_loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::sys {
namespace {

constexpr int kBatch = 32;
constexpr int64_t kSecond = 1'000'000'000;

// What an event carries back: which descriptor, and which watch of it.
uint64_t Key(int fd, uint32_t generation) {
  return (uint64_t{generation} << 32) | static_cast<uint32_t>(fd);
}

void Drain(int fd) {
  uint64_t count;
  // Non-blocking; an empty counter is as good.
  (void)!read(fd, &count, sizeof count);
}

absl::Status Watch0(int epoll, int fd) {
  struct epoll_event event = {EPOLLIN, {}};
  event.data.u64 = Key(fd, 0);
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, "watch the loop's own descriptors");
  }
  return absl::OkStatus();
}

}  // namespace

struct EpollLoop::Watch {
  uint32_t generation;
  Handler handler;
};

absl::StatusOr<std::unique_ptr<EpollLoop>> EpollLoop::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return ErrnoStatus(errno, "make epoll");
  UniqueFd timer(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return ErrnoStatus(errno, "make timerfd");
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return ErrnoStatus(errno, "make eventfd");
  RETURN_IF_ERROR(Watch0(epoll.get(), timer.get()));
  RETURN_IF_ERROR(Watch0(epoll.get(), wake.get()));
  return std::unique_ptr<EpollLoop>(
      new EpollLoop(std::move(epoll), std::move(timer), std::move(wake)));
}

EpollLoop::EpollLoop(UniqueFd epoll, UniqueFd timer, UniqueFd wake)
    : epoll_(std::move(epoll)),
      timer_(std::move(timer)),
      wake_(std::move(wake)) {}

EpollLoop::~EpollLoop() {
  // What a handler's end releases may still call Remove and CancelTimer.
  while (!watches_.empty() || !removed_.empty() || !timers_.empty() ||
         !posted_.empty()) {
    const auto watches = std::exchange(watches_, {});
    const auto removed = std::exchange(removed_, {});
    const auto timers = std::exchange(timers_, {});
    const auto posted = std::exchange(posted_, {});
  }
}

absl::Status EpollLoop::Add(int fd, uint32_t events, Handler handler) {
  if (fd < 0) return ErrnoStatus(EBADF, absl::StrCat("watch fd ", fd));
  if (static_cast<size_t>(fd) >= watches_.size()) watches_.resize(fd + 1);
  if (watches_[fd] != nullptr) {
    return ErrnoStatus(EEXIST, absl::StrCat("watch fd ", fd));
  }
  // 0 is the loop's own.
  if (++generation_ == 0) ++generation_;
  struct epoll_event event = {events, {}};
  event.data.u64 = Key(fd, generation_);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, absl::StrCat("watch fd ", fd));
  }
  watches_[fd] =
      std::make_unique<Watch>(Watch{generation_, std::move(handler)});
  return absl::OkStatus();
}

absl::Status EpollLoop::Modify(int fd, uint32_t events) {
  if (fd < 0 || static_cast<size_t>(fd) >= watches_.size() ||
      watches_[fd] == nullptr) {
    return ErrnoStatus(ENOENT, absl::StrCat("change watch of fd ", fd));
  }
  struct epoll_event event = {events, {}};
  event.data.u64 = Key(fd, watches_[fd]->generation);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) {
    return ErrnoStatus(errno, absl::StrCat("change watch of fd ", fd));
  }
  return absl::OkStatus();
}

void EpollLoop::Remove(int fd) {
  if (fd < 0 || static_cast<size_t>(fd) >= watches_.size() ||
      watches_[fd] == nullptr) {
    return;
  }
  // Fails only for a descriptor that is closed already, and then there is
  // nothing to remove.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  removed_.push_back(std::move(watches_[fd]));
}

EpollLoop::TimerId EpollLoop::AddTimer(std::chrono::nanoseconds after,
                                       Callback callback) {
  const int64_t now = BootNanos();
  int64_t deadline;
  if (__builtin_add_overflow(now, after.count(), &deadline)) {
    deadline = after.count() < 0 ? now : INT64_MAX;
  }
  return AddTimerAt(deadline, std::move(callback));
}

EpollLoop::TimerId EpollLoop::AddTimerAt(int64_t boot_nanos,
                                         Callback callback) {
  const TimerId id{boot_nanos, ++timer_sequence_};
  timers_.emplace(id, std::move(callback));
  return id;
}

void EpollLoop::CancelTimer(TimerId id) { timers_.erase(id); }

void EpollLoop::Post(Callback callback) {
  bool first;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(callback));
  }
  if (first) {
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);
  }
}

void EpollLoop::Stop() {
  stop_.store(true);
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof one);
}

// The timerfd is only set when it would ring too late: a cancelled timer at
// worst wakes the loop once for nothing, and a timeout that is set and
// cancelled for every request behind an earlier one costs no system call.
absl::Status EpollLoop::ArmTimer() {
  if (timers_.empty()) return absl::OkStatus();
  // 0 would disarm; what is overdue rings at once.
  const int64_t deadline =
      timers_.begin()->first.deadline > 0 ? timers_.begin()->first.deadline : 1;
  if (armed_deadline_ != 0 && armed_deadline_ <= deadline) {
    return absl::OkStatus();
  }
  struct itimerspec when = {};
  when.it_value.tv_sec = deadline / kSecond;
  when.it_value.tv_nsec = deadline % kSecond;
  if (timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr) != 0) {
    return ErrnoStatus(errno, "set the loop's timer");
  }
  armed_deadline_ = deadline;
  return absl::OkStatus();
}

void EpollLoop::RunTimers() {
  const int64_t now = BootNanos();
  // Timers added by these run in the next round, so that one that adds itself
  // again cannot keep out the descriptors.
  const uint64_t newest = timer_sequence_;
  auto next = timers_.begin();
  while (next != timers_.end() && next->first.deadline <= now) {
    if (next->first.sequence > newest) {
      ++next;
      continue;
    }
    const TimerId id = next->first;
    Callback callback = std::move(next->second);
    timers_.erase(next);
    callback();
    next = timers_.upper_bound(id);
  }
}

void EpollLoop::RunPosted() {
  std::vector<Callback> posted;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    posted.swap(posted_);
  }
  for (Callback& callback : posted) {
    callback();
    // What it holds must not wait for the others.
    callback = nullptr;
  }
}

void EpollLoop::Dispatch(const struct epoll_event& event) {
  const int fd = static_cast<int>(static_cast<uint32_t>(event.data.u64));
  const uint32_t generation = event.data.u64 >> 32;
  if (generation == 0) {
    Drain(fd);
    if (fd == timer_.get()) armed_deadline_ = 0;
    return;
  }
  if (static_cast<size_t>(fd) >= watches_.size()) return;
  Watch* watch = watches_[fd].get();
  if (watch == nullptr || watch->generation != generation) return;
  watch->handler(event.events);
}

absl::Status EpollLoop::Run() {
  struct epoll_event events[kBatch];
  while (!stop_.exchange(false)) {
    RETURN_IF_ERROR(ArmTimer());
    const int count = epoll_wait(epoll_.get(), events, kBatch, -1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "wait for events");
    for (int i = 0; i < count; ++i) Dispatch(events[i]);
    // After a wake-up was drained everything posted before it is seen here.
    RunPosted();
    RunTimers();
    // Emptied from a list of its own: what a handler's end releases may call
    // Remove.
    while (!removed_.empty()) {
      std::vector<std::unique_ptr<Watch>> removed = std::move(removed_);
      removed_.clear();
    }
  }
  return absl::OkStatus();
}

int64_t EpollLoop::BootNanos() {
  struct timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return int64_t{now.tv_sec} * kSecond + now.tv_nsec;
}

}  // namespace gantry::sys
