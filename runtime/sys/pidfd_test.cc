#include "runtime/sys/pidfd.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/clone.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using std::chrono::milliseconds;
using ::testing::Eq;

// A child that waits to be killed.
pid_t Sleeper(UniqueFd* pidfd = nullptr) {
  const pid_t pid = Clone3({.pidfd = pidfd}).value();
  if (pid == 0) {
    while (true) pause();
  }
  return pid;
}

TEST(Pidfd, FollowsAProcessToItsEnd) {
  const pid_t pid = Sleeper();
  ASSERT_OK_AND_ASSIGN(UniqueFd pidfd, PidfdOpen(pid));
  EXPECT_THAT(PidfdExited(pidfd.get(), milliseconds(0)), IsOkAndHolds(false));
  EXPECT_THAT(PidfdExited(pidfd.get(), milliseconds(20)), IsOkAndHolds(false));
  EXPECT_THAT(TryWaitPidfd(pidfd.get()), IsOkAndHolds(Eq(std::nullopt)));
  EXPECT_OK(PidfdSendSignal(pidfd.get(), SIGKILL));
  EXPECT_THAT(PidfdExited(pidfd.get(), milliseconds(-1)), IsOkAndHolds(true));
  // A zombie can be opened and signalled; once reaped it is nobody.
  EXPECT_OK(PidfdOpen(pid));
  EXPECT_OK(PidfdSendSignal(pidfd.get(), SIGTERM));
  ASSERT_OK_AND_ASSIGN(ExitStatus status, WaitPidfd(pidfd.get()));
  EXPECT_EQ(status, ExitStatus{.signal = SIGKILL});
  EXPECT_EQ(status.ShellCode(), 137);
  EXPECT_THAT(PidfdSendSignal(pidfd.get(), SIGTERM),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(Pidfd, ReapsChildrenOfAnyExitSignal) {
  UniqueFd pidfd;
  const pid_t pid = Clone3({.exit_signal = 0, .pidfd = &pidfd}).value();
  if (pid == 0) _exit(3);
  EXPECT_THAT(WaitPidfd(pidfd.get()), IsOkAndHolds(ExitStatus{.code = 3}));
  EXPECT_THAT(WaitPidfd(pidfd.get()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(Pidfd, ErrorsAreTheKernels) {
  EXPECT_EQ(ErrnoOf(PidfdOpen(-1).status()), EINVAL);
  EXPECT_EQ(ErrnoOf(PidfdExited(1000, milliseconds(0)).status()), EBADF);
}

}  // namespace
}  // namespace gantry::sys
