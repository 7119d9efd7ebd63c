// Tells the loop that children have ended (SIGCHLD through a signalfd).
//
// Ownership: of the signalfd; `loop` must outlive this. Thread safety: none.
// Never blocks. Blocks the signal for this thread: children unblock it.

#ifndef GANTRY_SHIM_LOOP_CHILD_SIGNAL_H_
#define GANTRY_SHIM_LOOP_CHILD_SIGNAL_H_

#include <sys/types.h>

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"

namespace gantry::shim {

class ChildSignal {
 public:
  // `reaped` is called for every child that was reaped: its pid and its status
  // as of waitpid(2).
  ChildSignal(sys::EpollLoop& loop, std::function<void(pid_t, int)> reaped)
      : loop_(loop), reaped_(std::move(reaped)) {}
  ChildSignal(const ChildSignal&) = delete;
  ChildSignal& operator=(const ChildSignal&) = delete;
  ~ChildSignal();

  absl::Status Begin();

  // Reaps every child that has ended. If the kernel has an error for that, then
  // soon once more: another signal may not come.
  void Reap();

 private:
  void OnSignal();

  sys::EpollLoop& loop_;
  std::function<void(pid_t, int)> reaped_;
  UniqueFd fd_;
  sys::EpollLoop::TimerId again_;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_LOOP_CHILD_SIGNAL_H_
