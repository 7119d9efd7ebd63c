// Waiting for the kernel, in steps, up to a deadline.
//
// Blocks the calling thread. Thread safety: reentrant; a Backoff is for one
// thread.

#ifndef GANTRY_RUNTIME_CGROUP_WAIT_H_
#define GANTRY_RUNTIME_CGROUP_WAIT_H_

#include <chrono>

namespace gantry::cgroup {

// Sleeps for `duration`, signals or not.
void Sleep(std::chrono::nanoseconds duration);

// Pauses that double from 100 us to 50 ms until the patience is used up.
class Backoff {
 public:
  explicit Backoff(std::chrono::milliseconds patience)
      : end_(std::chrono::steady_clock::now() + patience) {}

  // Sleeps and gives true, or gives false at once if the time is over.
  bool Pause();

 private:
  std::chrono::steady_clock::time_point end_;
  std::chrono::nanoseconds step_ = std::chrono::microseconds(100);
};

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_WAIT_H_
