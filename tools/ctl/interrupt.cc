#include "tools/ctl/interrupt.h"

#include <signal.h>
#include <time.h>

#include <atomic>

namespace gantry::ctl {
namespace {

std::atomic<bool> interrupted{false};

void OnSignal(int) { interrupted.store(true); }

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  // Once: the next one has its default effect.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A closed pipe shall be seen as a failed write, not end the program with
  // its container left behind.
  signal(SIGPIPE, SIG_IGN);
}

bool Interrupted() { return interrupted.load(); }

bool SleepUnlessInterrupted(absl::Duration duration) {
  if (Interrupted()) return true;
  const timespec length = absl::ToTimespec(duration);
  nanosleep(&length, nullptr);
  return Interrupted();
}

void SetInterruptedForTest(bool value) { interrupted.store(value); }

}  // namespace gantry::ctl
