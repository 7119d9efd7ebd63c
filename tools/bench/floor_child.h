// What the floor's child does between clone and exec, and the clone itself.
//
// The child shares its parent's memory (CLONE_VM | CLONE_VFORK), so that the
// size of this program does not count: it makes raw system calls only, and is
// compiled without sanitizers. Thread safety: any thread; it alone waits.

#ifndef GANTRY_TOOLS_BENCH_FLOOR_CHILD_H_
#define GANTRY_TOOLS_BENCH_FLOOR_CHILD_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace gantry::bench {

// Everything prepared before; borrowed. Times are CLOCK_MONOTONIC nanoseconds.
struct FloorPlan {
  uint64_t flags = 0;               // CLONE_NEW*
  const int* cgroup_fds = nullptr;  // of cgroup.procs, to join
  size_t cgroup_count = 0;
  const char* overlay_target = nullptr;  // nullptr: no mount
  const char* overlay_options = nullptr;
  const char* program = nullptr;
  char* const* argv = nullptr;

  // Written by the child.
  int64_t began = 0;
  int64_t joined = 0;
  int64_t mounted = 0;
  int error = 0;  // errno of the step that failed
  const char* failed_step = nullptr;
};

int64_t MonotonicNanos();

// Returns when the program runs or a step has failed (see `plan`). The child's
// pid, to be reaped by the caller also after a failed step; negative: -errno of
// clone.
pid_t StartFloorChild(FloorPlan* plan);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_FLOOR_CHILD_H_
