// A cgroup for each exec, so that all its processes can be found and ended
// (docs/adr/0008-an-exec-has-a-cgroup-of-its-own.md).
//
// Ownership: of the groups, as directories; `loop` and `container` must outlive
// this. What is left when this is destroyed goes with the container's cgroup.
// Thread safety: none. Never blocks beyond system calls on cgroupfs.

#ifndef GANTRY_SHIM_PROCESS_EXEC_GROUPS_H_
#define GANTRY_SHIM_PROCESS_EXEC_GROUPS_H_

#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/subgroup.h"
#include "runtime/sys/epoll_loop.h"

namespace gantry::shim {

class ExecGroups {
 public:
  static constexpr std::chrono::milliseconds kPause{2};

  struct Group {
    cgroup::Subgroup cgroup;
    // Its exec has ended; it goes as soon as nobody is left in it.
    bool released = false;
    // Everybody in it is to die.
    bool killing = false;
  };

  ExecGroups(sys::EpollLoop& loop, const cgroup::Manager& container)
      : loop_(loop), container_(container) {}
  ExecGroups(const ExecGroups&) = delete;
  ExecGroups& operator=(const ExecGroups&) = delete;
  ~ExecGroups();

  // An empty one. Stays until it was released.
  absl::StatusOr<Group*> Make();

  // SIGKILL reaches all of it, by and by if it takes several rounds; any other
  // signal those who are there now.
  absl::Status Signal(Group* group, int signal);

  // The exec has ended. Those whom it left behind belong to the container.
  void Release(Group* group);

 private:
  // Once more for those that are to die; removes what is empty.
  void Sweep();
  // Whether a round is to follow soon.
  bool Round(Group& group);

  sys::EpollLoop& loop_;
  const cgroup::Manager& container_;
  std::list<Group> groups_;
  std::optional<sys::EpollLoop::TimerId> timer_;
  uint64_t last_ = 0;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PROCESS_EXEC_GROUPS_H_
