// Follows a child's set-up through its sync socket until it has executed its
// program or failed.
//
// Ownership: of the socket; `loop` must outlive this. Thread safety: none.
// Never blocks.

#ifndef GANTRY_SHIM_PROCESS_SETUP_WATCH_H_
#define GANTRY_SHIM_PROCESS_SETUP_WATCH_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"

namespace gantry::shim {

struct SetupResult {
  // OK: the program was executed. ABORTED: the child died without a word.
  absl::Status status;
  // The pty's master, if there is a terminal.
  UniqueFd console;
  // `user`, `degraded` and `steps` only.
  Started ready;
};

class SetupWatch {
 public:
  // `done` is called once, from the loop or from Poll; it may destroy the
  // watch. Not after the watch is destroyed.
  SetupWatch(sys::EpollLoop& loop, UniqueFd sync,
             std::function<void(SetupResult)> done)
      : loop_(loop), sync_(std::move(sync)), done_(std::move(done)) {}
  SetupWatch(const SetupWatch&) = delete;
  SetupWatch& operator=(const SetupWatch&) = delete;
  ~SetupWatch() { Stop(); }

  absl::Status Begin();

  // Reads what has come. To be called when the child was reaped: all it ever
  // said is there then, so `done` is called.
  void Poll();

 private:
  void Finish(absl::Status status);
  void Stop();

  sys::EpollLoop& loop_;
  UniqueFd sync_;
  std::function<void(SetupResult)> done_;
  bool is_ready_ = false;
  SetupResult result_;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PROCESS_SETUP_WATCH_H_
