#include "runtime/sys/clone.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/pidfd.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;

TEST(Clone3, TheChildHasItsOwnMemoryAndIsKnownByPidfd) {
  volatile int value = 1;
  UniqueFd pidfd;
  ASSERT_OK_AND_ASSIGN(pid_t pid, Clone3({.pidfd = &pidfd}));
  if (pid == 0) {
    value = 2;
    _exit(value + 3);
  }
  EXPECT_GT(pid, 0);
  EXPECT_THAT(WaitPidfd(pidfd.get()), IsOkAndHolds(ExitStatus{.code = 5}));
  EXPECT_EQ(value, 1);
}

TEST(Clone3, SharedMemoryIsRefused) {
  for (uint64_t flag : {CLONE_VM, CLONE_VFORK, CLONE_THREAD, CLONE_SIGHAND}) {
    EXPECT_THAT(Clone3({.flags = flag}),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(Clone3, FailureIsTheKernels) {
  // A cgroup that is none.
  const absl::StatusOr<pid_t> pid = Clone3({.cgroup_fd = STDIN_FILENO});
  if (pid.ok() && *pid == 0) _exit(0);
  EXPECT_EQ(ErrnoOf(pid.status()), EBADF);
}

}  // namespace
}  // namespace gantry::sys
