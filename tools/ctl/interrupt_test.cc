#include "tools/ctl/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace gantry::ctl {
namespace {

TEST(Interrupt, FirstSignalIsOnlyNoticedAlsoWhenItComesTwice) {
  CatchInterrupts();
  EXPECT_FALSE(Interrupted());
  raise(SIGTERM);
  EXPECT_TRUE(Interrupted());
  // As timeout(1) sends it: to the process and to its group.
  raise(SIGTERM);
  EXPECT_TRUE(SleepUnlessInterrupted(absl::Seconds(100)));
  SetInterruptedForTest(false);
}

TEST(InterruptDeathTest, SecondSignalLaterEndsTheProgram) {
  EXPECT_EXIT(
      {
        CatchInterrupts();
        raise(SIGINT);
        absl::SleepFor(absl::Milliseconds(1100));
        raise(SIGINT);
        _exit(0);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace gantry::ctl
