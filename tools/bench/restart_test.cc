#include "tools/bench/restart.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "tools/ctl/testing/fake_cri_server.h"

namespace gantry::bench {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

// The server of a test is this process: what its successor has of its own is
// the socket's file, here a symlink that the command makes anew.
class RestartTest : public ::testing::Test {
 protected:
  RestartTest() {
    EXPECT_OK(sys::SymlinkAt(server_.socket_path(), AT_FDCWD, link()));
  }
  // Goes with the socket's directory.
  std::string link() const { return server_.socket_path() + ".link"; }
  std::string Anew() const {
    return "ln -s " + server_.socket_path() + " " + link() + ".new && mv " +
           link() + ".new " + link();
  }

  ctl::testing::FakeCriServer server_;
};

TEST_F(RestartTest, TheServerIsWhoListens) {
  EXPECT_THAT(ServerPid("unix://" + link()), IsOkAndHolds(getpid()));
  EXPECT_THAT(ServerPid(link() + "x"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ServerPid("tcp://x"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RestartTest, TheNewServerIsWaitedFor) {
  ASSERT_OK_AND_ASSIGN(Restart restart,
                       Restart::Begin(link(), "sleep 0.05; " + Anew()));
  EXPECT_OK(restart.UntilAnswered(absl::Seconds(30)));
}

TEST_F(RestartTest, TheOldServerIsNotTakenForIt) {
  ASSERT_OK_AND_ASSIGN(Restart restart, Restart::Begin(link(), "true"));
  EXPECT_THAT(restart.UntilAnswered(absl::Milliseconds(100)),
              StatusIs(absl::StatusCode::kCancelled,
                       HasSubstr("no other server answers")));
}

TEST_F(RestartTest, ACommandThatFailsIsTold) {
  ASSERT_OK_AND_ASSIGN(Restart restart, Restart::Begin(link(), "exit 3"));
  EXPECT_THAT(restart.UntilAnswered(absl::Seconds(30)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("ended with 3")));
}

TEST_F(RestartTest, WithoutAServerThereIsNothingToRestart) {
  EXPECT_FALSE(Restart::Begin(link() + "x", "true").ok());
}

}  // namespace
}  // namespace gantry::bench
