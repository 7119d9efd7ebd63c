#include "tools/bench/floor_child.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

namespace gantry::bench {
namespace {

constexpr size_t kStackBytes = 64 << 10;

[[noreturn]] void Fail(FloorPlan* plan, const char* step) {
  plan->error = errno;
  plan->failed_step = step;
  _exit(127);
}

int Child(void* argument) {
  auto* plan = static_cast<FloorPlan*>(argument);
  plan->began = MonotonicNanos();
  for (size_t i = 0; i < plan->cgroup_count; ++i) {
    if (write(plan->cgroup_fds[i], "0", 1) != 1) Fail(plan, "join a cgroup");
  }
  plan->joined = MonotonicNanos();
  if (plan->overlay_target != nullptr) {
    // Else the mount would reach the host where its mounts are shared.
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      Fail(plan, "make mounts private");
    }
    if (mount("overlay", plan->overlay_target, "overlay", 0,
              plan->overlay_options) != 0) {
      Fail(plan, "mount the overlay");
    }
  }
  plan->mounted = MonotonicNanos();
  char* const environment[] = {nullptr};
  execve(plan->program, plan->argv, environment);
  Fail(plan, "execute the program");
}

}  // namespace

int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

pid_t StartFloorChild(FloorPlan* plan) {
  alignas(16) char stack[kStackBytes];
  // A handler must not run in the child: it shares this memory.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int flags =
      static_cast<int>(plan->flags) | CLONE_VM | CLONE_VFORK | SIGCHLD;
  const pid_t pid = clone(Child, stack + kStackBytes, flags, plan);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return pid < 0 ? -error : pid;
}

}  // namespace gantry::bench
