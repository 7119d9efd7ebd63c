#include "shim/process/process_tree.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::shim {
namespace {

using ::testing::ElementsAre;

TEST(TreeOf, ChildrenOfChildrenBelong) {
  EXPECT_THAT(TreeOf(10, {{12, 11, 10}, {11, 10, 10}, {13, 12, 10}, {9, 1, 1}}),
              ElementsAre(10, 11, 12, 13));
}

TEST(TreeOf, OrphansOfTheSessionBelong) {
  EXPECT_THAT(TreeOf(10, {{20, 1, 10}, {21, 20, 20}, {30, 1, 30}}),
              ElementsAre(10, 20, 21));
}

TEST(TreeOf, ChildInASessionOfItsOwnBelongs) {
  EXPECT_THAT(TreeOf(10, {{10, 5, 10}, {11, 10, 11}}), ElementsAre(10, 11));
}

TEST(TreeOf, RootAloneIsTheTree) {
  EXPECT_THAT(TreeOf(10, {}), ElementsAre(10));
}

// A family: root, session leader of its own, a child and a grandchild; all
// wait for ever. Their pids come through a pipe.
class Family {
 public:
  Family() {
    int fds[2];
    EXPECT_EQ(pipe(fds), 0);
    root_ = fork();
    if (root_ == 0) {
      setsid();
      for (int i = 0; i < 2; ++i) {
        const pid_t child = fork();
        if (child != 0) {
          Report(fds[1], child);
          break;
        }
      }
      for (;;) pause();
    }
    members_ = {root_};
    for (int i = 0; i < 2; ++i) {
      pid_t pid = 0;
      EXPECT_EQ(read(fds[0], &pid, sizeof(pid)), ssize_t{sizeof(pid)});
      members_.push_back(pid);
    }
    close(fds[0]);
    close(fds[1]);
  }
  ~Family() {
    for (pid_t pid : members_) kill(pid, SIGKILL);
    waitpid(root_, nullptr, 0);
  }

  pid_t root() const { return root_; }
  const std::vector<pid_t>& members() const { return members_; }

 private:
  static void Report(int fd, pid_t pid) {
    if (write(fd, &pid, sizeof(pid)) < 0) _exit(1);
  }
  pid_t root_;
  std::vector<pid_t> members_;
};

bool IsGone(pid_t pid) {
  for (int i = 0; i < 500; ++i) {
    if (kill(pid, 0) != 0) return true;
    usleep(10000);
  }
  return false;
}

TEST(SignalTree, KillsEveryMemberAndNobodyElse) {
  Family family;
  Family other;
  std::vector<pid_t> all = family.members();
  all.insert(all.end(), other.members().begin(), other.members().end());
  auto list = [&all]() -> absl::StatusOr<std::vector<pid_t>> { return all; };
  ASSERT_OK(SignalTree(family.root(), list, SIGKILL));
  int status = 0;
  ASSERT_EQ(waitpid(family.root(), &status, 0), family.root());
  EXPECT_TRUE(WIFSIGNALED(status));
  for (pid_t pid : family.members()) EXPECT_TRUE(IsGone(pid)) << pid;
  for (pid_t pid : other.members()) EXPECT_EQ(kill(pid, 0), 0) << pid;
}

TEST(SignalTree, AfterAMildSignalAllGoOn) {
  Family family;
  auto list = [&]() -> absl::StatusOr<std::vector<pid_t>> {
    return family.members();
  };
  ASSERT_OK(SignalTree(family.root(), list, SIGTERM));
  // SIGTERM ends them, which it could not if they were left stopped.
  int status = 0;
  ASSERT_EQ(waitpid(family.root(), &status, 0), family.root());
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

}  // namespace
}  // namespace gantry::shim
