#include "tools/ctl/interrupt.h"

#include <signal.h>
#include <time.h>

#include <atomic>
#include <cstdint>

namespace gantry::ctl {
namespace {

// When the first signal came, in CLOCK_MONOTONIC nanoseconds; 0: not yet.
std::atomic<int64_t> first_signal{0};
static_assert(std::atomic<int64_t>::is_always_lock_free);

// A terminal, timeout(1) and a supervisor may each send one for the same wish:
// what comes within this time is not a second one.
constexpr int64_t kSameWishNanos = 1'000'000'000;

int64_t NowNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void OnSignal(int number) {
  int64_t first = 0;
  const int64_t now = NowNanos();
  if (first_signal.compare_exchange_strong(first, now)) return;
  if (now - first < kSameWishNanos) return;
  signal(number, SIG_DFL);
  raise(number);
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A closed pipe shall be seen as a failed write, not end the program with
  // its container left behind.
  signal(SIGPIPE, SIG_IGN);
}

bool Interrupted() { return first_signal.load() != 0; }

bool SleepUnlessInterrupted(absl::Duration duration) {
  if (Interrupted()) return true;
  const timespec length = absl::ToTimespec(duration);
  nanosleep(&length, nullptr);
  return Interrupted();
}

void SetInterruptedForTest(bool interrupted) {
  first_signal.store(interrupted ? NowNanos() : 0);
}

}  // namespace gantry::ctl
