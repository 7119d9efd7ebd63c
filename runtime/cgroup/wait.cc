#include "runtime/cgroup/wait.h"

#include <errno.h>
#include <time.h>

#include <algorithm>

namespace gantry::cgroup {

void Sleep(std::chrono::nanoseconds duration) {
  timespec left = {duration.count() / 1000000000,
                   duration.count() % 1000000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

bool Backoff::Pause() {
  const std::chrono::nanoseconds left = end_ - std::chrono::steady_clock::now();
  if (left.count() <= 0) return false;
  Sleep(std::min(step_, left));
  step_ = std::min<std::chrono::nanoseconds>(step_ * 2,
                                             std::chrono::milliseconds(50));
  return true;
}

}  // namespace gantry::cgroup
