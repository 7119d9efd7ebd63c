#include "runtime/sys/proc_status.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::StatusIs;
using testing::FakeTree;
using testing::File;

constexpr char kStatus[] =
    "Name:\tSigCgt:\\n\n"
    "Pid:\t4711\n"
    "NSpid:\t4711\t12\t1\n"
    "SigPnd:\t0000000000000000\n"
    "SigBlk:\t0000000000000400\n"
    "SigIgn:\t0000000000001000\n"
    "SigCgt:\t0000000180004002\n"
    "CapInh:\t0000000000000000\n";

TEST(SignalState, TheFirstProcessDropsWhatItNeitherCatchesNorBlocks) {
  ASSERT_OK_AND_ASSIGN(SignalState state, ParseSignalState(kStatus));
  EXPECT_EQ(state.own_pid, 1);
  EXPECT_FALSE(state.Drops(SIGINT));   // 2, caught
  EXPECT_FALSE(state.Drops(SIGTERM));  // 15, caught
  EXPECT_FALSE(state.Drops(SIGSEGV));  // 11, blocked
  EXPECT_FALSE(state.Drops(32));
  EXPECT_TRUE(state.Drops(SIGHUP));
  EXPECT_TRUE(state.Drops(SIGPIPE));  // ignored
  EXPECT_TRUE(state.Drops(64));
  EXPECT_FALSE(state.Drops(SIGKILL));
}

TEST(SignalState, OthersDropNothing) {
  for (const char* pids : {"4711\t12\t2", "4711", "4711\t11"}) {
    ASSERT_OK_AND_ASSIGN(SignalState state,
                         ParseSignalState(absl::StrReplaceAll(
                             kStatus, {{"4711\t12\t1", pids}})));
    EXPECT_FALSE(state.Drops(SIGHUP)) << pids;
  }
}

TEST(SignalState, NeedsItsLines) {
  for (const char* line : {"NSpid:\t", "SigBlk:\t", "SigCgt:\t0"}) {
    EXPECT_THAT(ParseSignalState(absl::StrReplaceAll(kStatus, {{line, "x"}})),
                StatusIs(absl::StatusCode::kDataLoss))
        << line;
  }
  EXPECT_THAT(ParseSignalState(""), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(SignalState, OfAProcess) {
  FakeTree tree({File("7/status", kStatus)});
  ASSERT_OK_AND_ASSIGN(SignalState state, ReadSignalState(tree.fd(), 7));
  EXPECT_EQ(state.own_pid, 1);
  EXPECT_THAT(ReadSignalState(tree.fd(), 8),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(SignalState, OfThisProcess) {
  ASSERT_OK_AND_ASSIGN(UniqueFd proc,
                       OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY));
  struct sigaction action = {}, before = {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR2, &action, &before), 0);
  ASSERT_OK_AND_ASSIGN(SignalState state,
                       ReadSignalState(proc.get(), getpid()));
  sigaction(SIGUSR2, &before, nullptr);
  EXPECT_EQ(state.caught >> (SIGUSR2 - 1) & 1, 1);
}

}  // namespace
}  // namespace gantry::sys
