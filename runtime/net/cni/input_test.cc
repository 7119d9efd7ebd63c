#include "runtime/net/cni/input.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/spawn.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::net::cni {
namespace {

using ::gantry::testing::IsOkAndHolds;
using std::chrono::milliseconds;

class InputTest : public ::testing::Test {
 protected:
  // A plugin that a killed server left: only itself has the input open.
  sys::Spawned LeftBehind(const std::string& script) {
    absl::StatusOr<UniqueFd> input = inputs_.Make("pod", "config");
    EXPECT_OK(input);
    sys::SpawnRequest request;
    request.path = "/bin/sh";
    request.argv = {"sh", "-c", script};
    request.fds = {{input->get(), STDIN_FILENO}};
    request.group = sys::ProcessGroup::kOwn;
    absl::StatusOr<sys::Spawned> spawned = sys::Spawner().Spawn(request);
    EXPECT_OK(spawned);
    return *std::move(spawned);
  }

  bool Exists() { return sys::ExistsAt(dir_.fd(), "cni/pod"); }

  sys::testing::TempDir dir_;
  Inputs inputs_{dir_.path() + "/cni"};
};

TEST_F(InputTest, IsReadFromItsBeginning) {
  ASSERT_OK_AND_ASSIGN(UniqueFd first, inputs_.Make("pod", "first"));
  ASSERT_OK_AND_ASSIGN(UniqueFd second, inputs_.Make("pod", "second"));
  EXPECT_THAT(sys::ReadFd(first.get()), IsOkAndHolds("first"));
  EXPECT_THAT(sys::ReadFd(second.get()), IsOkAndHolds("second"));
  inputs_.Remove("pod");
  EXPECT_FALSE(Exists());
}

TEST_F(InputTest, WithoutALeftOverNothingIsWaitedFor) {
  EXPECT_OK(inputs_.AwaitLeftOver("pod", milliseconds(0)));
  { ASSERT_OK_AND_ASSIGN(UniqueFd file, inputs_.Make("pod", "x")); }
  EXPECT_TRUE(Exists());
  EXPECT_OK(inputs_.AwaitLeftOver("pod", milliseconds(0)));
  EXPECT_FALSE(Exists());
}

TEST_F(InputTest, ALeftOverIsWaitedFor) {
  sys::Spawned plugin =
      LeftBehind("sleep 0.3; touch " + dir_.path() + "/ended");
  EXPECT_OK(inputs_.AwaitLeftOver("pod", milliseconds(20000)));
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "ended"));
  EXPECT_OK(sys::WaitPidfd(plugin.pidfd.get()));
}

TEST_F(InputTest, ALeftOverThatHangsIsKilledWithItsChildren) {
  sys::Spawned plugin = LeftBehind("sleep 1000 & sleep 1000; true");
  EXPECT_OK(inputs_.AwaitLeftOver("pod", milliseconds(100)));
  ASSERT_OK_AND_ASSIGN(sys::ExitStatus status,
                       sys::WaitPidfd(plugin.pidfd.get()));
  EXPECT_EQ(status.signal, SIGKILL);
  EXPECT_FALSE(Exists());
}

}  // namespace
}  // namespace gantry::net::cni
