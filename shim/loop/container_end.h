// What happens between the end of a container's program and its exit record.
//
//  1. what is left in the cgroup is killed;
//  2. output is read to its end; a process outside that keeps a pipe open is
//     not waited for, a log that can't be written is for kLogPatience, or
//     kKilledLogPatience if somebody waits for the end;
//  3. the kernel's OOM counter is read;
//  4. exit.pb is written, if the disk takes it.
// Ownership: refers to all it is given, which must outlive it. Thread safety:
// none. Blocks for a kill of the cgroup (bounded there) and for file writes.

#ifndef GANTRY_SHIM_LOOP_CONTAINER_END_H_
#define GANTRY_SHIM_LOOP_CONTAINER_END_H_

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "proto/shim.pb.h"
#include "runtime/base/clock.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/sys/epoll_loop.h"
#include "shim/io/container_io.h"

namespace gantry::shim {

class ContainerEnd {
 public:
  // While a log can't be written its lines wait this long, then they are lost.
  static constexpr std::chrono::milliseconds kLogPatience{10000};
  // As above, of a container that was killed by request: well below what the
  // server waits before it takes the shim for stuck and kills that too.
  static constexpr std::chrono::milliseconds kKilledLogPatience{500};
  // Processes that were killed are waited for this long.
  static constexpr std::chrono::milliseconds kKillPatience{5000};
  // A stream that somebody outside the container keeps open is read this long
  // after the container is empty.
  static constexpr std::chrono::milliseconds kStreamPatience{100};

  struct Parts {
    sys::EpollLoop& loop;
    const Clock& clock;
    const cgroup::Manager& cgroup;
    ContainerIo* io;    // may be null
    int run_directory;  // where exit.pb goes
    // Whether other children of the shim (execs) are all reaped.
    std::function<bool()> others_reaped;
  };

  // Called once, from the loop; it may destroy this. `recorded`: whether
  // exit.pb stands.
  using Done = std::function<void(const Exited&, const absl::Status& recorded)>;

  ContainerEnd(Parts parts, Done done)
      : parts_(std::move(parts)), done_(std::move(done)) {}
  ContainerEnd(const ContainerEnd&) = delete;
  ContainerEnd& operator=(const ContainerEnd&) = delete;
  ~ContainerEnd();

  // `wait_status`: of the container's first process.
  void Begin(int wait_status);

  // Whoever stops the container has no more patience; before or after Begin.
  void Hurry() { hurried_ = true; }

 private:
  void Step();
  // Whether there is nothing more to wait for.
  bool Settled();
  void Conclude();

  Parts parts_;
  Done done_;
  Exited exited_;
  bool hurried_ = false;
  int64_t began_ = 0;               // boot time, ns
  std::optional<int64_t> emptied_;  // when the cgroup was seen empty
  std::optional<sys::EpollLoop::TimerId> timer_;
};

// Writes exit.pb.
absl::Status WriteExitRecord(int run_directory, const Exited& exited);

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_LOOP_CONTAINER_END_H_
