#include "runtime/net/cni/invoke.h"

#include <fcntl.h>
#include <signal.h>

#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/clock.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/memfd.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::net::cni {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kSecond = 1'000'000'000;

class InvokeTest : public ::testing::Test {
 protected:
  absl::StatusOr<Outcome> Run(const std::string& script,
                              int64_t timeout = 20 * kSecond,
                              std::function<void()> meanwhile = {}) {
    tree_.Add({sys::testing::File("plugin", "#!/bin/sh\n" + script, 0755)});
    UniqueFd input = *sys::SealedMemfd("in", "the configuration");
    Invocation invocation;
    invocation.program = tree_.path() + "/plugin";
    invocation.env = {"CNI_COMMAND=ADD", "PATH=/usr/bin:/bin"};
    invocation.stdin_fd = input.get();
    invocation.deadline = RealClock().BootNanos() + timeout;
    invocation.meanwhile = std::move(meanwhile);
    return Invoke(invocation);
  }

  // Whether the process whose number the script wrote there has ended.
  bool IsGone(const std::string& file) {
    const int pid = std::stoi(tree_.Read(file));
    for (int i = 0; i < 500; ++i) {
      absl::StatusOr<std::string> stat =
          sys::ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", pid, "/stat"));
      if (!stat.ok() || stat->find(") Z") != std::string::npos) return true;
      ::usleep(10000);
    }
    return false;
  }

  sys::testing::FakeTree tree_;
};

TEST_F(InvokeTest, InputAndOutputAreThePlugins) {
  ASSERT_OK_AND_ASSIGN(Outcome outcome, Run("cat; echo oops >&2; exit 3"));
  EXPECT_EQ(outcome.output, "the configuration");
  EXPECT_EQ(outcome.error_output, "oops\n");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.signal, 0);
}

TEST_F(InvokeTest, NothingElseIsInherited) {
  ASSERT_EQ(::setenv("GANTRY_SECRET", "x", 1), 0);
  ASSERT_OK_AND_ASSIGN(UniqueFd open, sys::OpenAt(AT_FDCWD, "/", O_RDONLY));
  ASSERT_OK_AND_ASSIGN(Outcome outcome, Run("env; exec ls /proc/self/fd"));
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("CNI_COMMAND=ADD"),
                    ::testing::Not(HasSubstr("GANTRY_SECRET"))));
  // The last one is the directory itself.
  EXPECT_THAT(outcome.output, HasSubstr("\n0\n1\n2\n3\n"));
  EXPECT_THAT(outcome.output, ::testing::Not(HasSubstr("\n4\n")));
}

TEST_F(InvokeTest, WhatIsDoneMeanwhileRunsBesideTheProgram) {
  // The program ends by what is done meanwhile, and would not without.
  ASSERT_OK_AND_ASSIGN(
      Outcome outcome,
      Run("while ! [ -e $(dirname $0)/go ]; do sleep 0.01; done; echo gone",
          20 * kSecond, [this] { tree_.Write("go", ""); }));
  EXPECT_EQ(outcome.output, "gone\n");
  // Of a program that cannot be run it is not done.
  EXPECT_FALSE(Invoke({.program = "/none",
                       .stdin_fd = 0,
                       .deadline = RealClock().BootNanos() + kSecond,
                       .meanwhile = [] { FAIL(); }})
                   .ok());
}

TEST_F(InvokeTest, AllThatFitsIsRead) {
  ASSERT_OK_AND_ASSIGN(Outcome outcome,
                       Run("head -c 1048576 /dev/zero | tr '\\0' x"));
  EXPECT_THAT(outcome.output, SizeIs(kMaxOutputBytes));
}

TEST_F(InvokeTest, WhatPrintsWithoutEndIsKilled) {
  EXPECT_THAT(Run("echo $$ >" + tree_.path() + "/pid; yes"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("printed more than 1048576 bytes")));
  EXPECT_TRUE(IsGone("pid"));
  // On standard error it may, for as long as it has.
  EXPECT_THAT(Run("yes >&2", kSecond / 2),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(InvokeTest, OfErrorOutputTheEndIsKept) {
  ASSERT_OK_AND_ASSIGN(
      Outcome outcome,
      Run("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo end >&2"));
  EXPECT_THAT(outcome.error_output, AllOf(SizeIs(4096), HasSubstr("xend\n")));
}

TEST_F(InvokeTest, WhatHangsIsKilledWithItsProcessGroup) {
  const std::string script = "echo $$ >" + tree_.path() +
                             "/pid; sleep 1000 & echo $! >" + tree_.path() +
                             "/child; wait";
  const int64_t begin = RealClock().BootNanos();
  EXPECT_THAT(Run(script, kSecond / 2),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       "did not end in time; killed"));
  EXPECT_LT(RealClock().BootNanos() - begin, 10 * kSecond);
  EXPECT_TRUE(IsGone("pid"));
  EXPECT_TRUE(IsGone("child"));
}

TEST_F(InvokeTest, WhatItLeavesRunningIsNotWaitedFor) {
  const int64_t begin = RealClock().BootNanos();
  ASSERT_OK_AND_ASSIGN(
      Outcome outcome,
      Run("sleep 1000 & echo $! >" + tree_.path() + "/child; echo done"));
  EXPECT_LT(RealClock().BootNanos() - begin, 10 * kSecond);
  EXPECT_EQ(outcome.output, "done\n");
  ::kill(std::stoi(tree_.Read("child")), SIGKILL);
}

TEST_F(InvokeTest, ASignalIsTold) {
  ASSERT_OK_AND_ASSIGN(Outcome outcome, Run("kill -SEGV $$"));
  EXPECT_EQ(outcome.signal, SIGSEGV);
}

TEST_F(InvokeTest, WhatIsNoProgramIsTold) {
  UniqueFd input = *sys::SealedMemfd("in", "");
  Invocation invocation;
  invocation.program = tree_.path() + "/missing";
  invocation.stdin_fd = input.get();
  invocation.deadline = RealClock().BootNanos() + kSecond;
  EXPECT_THAT(Invoke(invocation), StatusIs(absl::StatusCode::kNotFound));
  tree_.Write("text", "no program");
  invocation.program = tree_.path() + "/text";
  EXPECT_FALSE(Invoke(invocation).ok());
}

TEST_F(InvokeTest, APluginIsLookedForInOrder) {
  tree_.Write("one/b", "");
  tree_.Write("two/a", "");
  tree_.Write("two/b", "");
  tree_.Add({sys::testing::Dir("one/a")});
  const std::vector<std::string> directories = {
      tree_.path() + "/none", tree_.path() + "/one", tree_.path() + "/two"};
  EXPECT_THAT(FindPlugin("b", directories),
              IsOkAndHolds(tree_.path() + "/one/b"));
  EXPECT_THAT(FindPlugin("a", directories),
              IsOkAndHolds(tree_.path() + "/two/a"));
  EXPECT_THAT(FindPlugin("c", directories),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("there is no plugin c in ")));
}

}  // namespace
}  // namespace gantry::net::cni
