// One thread waiting for many descriptors and timers (epoll(7)).
//
// Ownership: descriptors stay the caller's; Remove one before closing it.
// Handlers are destroyed when removed (a handler that removes itself lives
// until it returns). Handlers run on the thread in Run, one at a time; they may
// call everything here.
// Thread safety: Post, Stop and BootNanos from any thread; all else only on the
// thread in Run, or while nobody runs it. Units: nanoseconds of CLOCK_BOOTTIME,
// so time asleep counts.

#ifndef GANTRY_RUNTIME_SYS_EPOLL_LOOP_H_
#define GANTRY_RUNTIME_SYS_EPOLL_LOOP_H_

#include <sys/epoll.h>

#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sys {

class EpollLoop {
 public:
  // Gets the EPOLL* bits that are ready.
  using Handler = absl::AnyInvocable<void(uint32_t events)>;
  using Callback = absl::AnyInvocable<void()>;

  // Names a timer for good: never used again by another.
  struct TimerId {
    int64_t deadline = 0;
    uint64_t sequence = 0;
    auto operator<=>(const TimerId&) const = default;
  };

  static absl::StatusOr<std::unique_ptr<EpollLoop>> Create();
  // Drops what was posted and did not run.
  ~EpollLoop();
  EpollLoop(const EpollLoop&) = delete;
  EpollLoop& operator=(const EpollLoop&) = delete;

  // Watches `fd` for `events` (EPOLLIN, EPOLLOUT, ..., also EPOLLET; EPOLLERR
  // and EPOLLHUP always come). One handler per descriptor: ALREADY_EXISTS.
  absl::Status Add(int fd, uint32_t events, Handler handler);
  // Changes the events of a watched descriptor.
  absl::Status Modify(int fd, uint32_t events);
  // Stops watching; from now on its handler is not called, also not for events
  // that were fetched already. Unknown is OK.
  void Remove(int fd);

  // Runs `callback` once, at or after the given time.
  TimerId AddTimer(std::chrono::nanoseconds after, Callback callback);
  TimerId AddTimerAt(int64_t boot_nanos, Callback callback);
  // A timer that has run or is unknown is OK.
  void CancelTimer(TimerId id);

  // Runs `callback` on the loop's thread, in the order of the calls.
  void Post(Callback callback);

  // Handles events until Stop; then may be called again. An error is the
  // kernel's and means the loop cannot go on.
  absl::Status Run();
  // Makes Run return after the handlers of the events at hand, or at once if it
  // has yet to be called.
  void Stop();

  // Now, on the timers' clock.
  static int64_t BootNanos();

 private:
  struct Watch;

  EpollLoop(UniqueFd epoll, UniqueFd timer, UniqueFd wake);
  absl::Status ArmTimer();
  void RunTimers();
  void RunPosted();
  void Dispatch(const struct epoll_event& event);

  UniqueFd epoll_;
  UniqueFd timer_;  // timerfd, set to the earliest deadline or earlier
  UniqueFd wake_;   // eventfd, readable after Post or Stop
  // Indexed by descriptor. An event carries the watch's generation, so that
  // one fetched for a removed watch finds no match.
  std::vector<std::unique_ptr<Watch>> watches_;
  std::vector<std::unique_ptr<Watch>> removed_;  // freed between batches
  uint32_t generation_ = 0;
  std::map<TimerId, Callback> timers_;
  uint64_t timer_sequence_ = 0;
  int64_t armed_deadline_ = 0;  // 0: disarmed
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::vector<Callback> posted_;  // guarded by mutex_
};

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_EPOLL_LOOP_H_
