// Modes that hold pods, against a fake server over a real socket: it is this
// process, whose memory and counters they look at.

#include <fcntl.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"
#include "tools/bench/mode.h"
#include "tools/ctl/interrupt.h"
#include "tools/ctl/testing/fake_cri_server.h"

namespace gantry::bench {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HeldModesTest : public ::testing::Test {
 protected:
  HeldModesTest() {
    server_.AddImage("localhost/busybox:latest", "sha256:0123");
    options_.endpoint.socket = "unix://" + server_.socket_path();
    options_.count = 20;
    options_.parallel = 3;
    options_.idle = absl::Milliseconds(100);
    options_.soak = absl::Milliseconds(300);
    options_.scratch = scratch_.path();
  }
  ~HeldModesTest() override {
    EXPECT_EQ(server_.pods(), 0);
    const auto left = sys::ListDirAt(scratch_.fd(), ".");
    EXPECT_TRUE(left.ok() && left->empty());
  }
  void UseTwoServers() {
    options_.servers = {{"first", options_.endpoint},
                        {"second", options_.endpoint}};
  }

  sys::testing::TempDir scratch_;
  ctl::testing::FakeCriServer server_;
  ModeOptions options_;
};

TEST_F(HeldModesTest, ExecRunsInOneContainerOneByOneAndAtOnce) {
  ASSERT_OK_AND_ASSIGN(Report report, Exec(options_));
  EXPECT_EQ(report.Row("ExecSync(true)").size(), 20);
  EXPECT_EQ(report.Row("ExecSync(true), 3 at once").size(), 20);
  EXPECT_GT(report.ValueOf("execs per second"), 0);
  UseTwoServers();
  ASSERT_OK_AND_ASSIGN(report, Exec(options_));
  EXPECT_EQ(report.Row("second: ExecSync(true)").size(), 20);
}

TEST_F(HeldModesTest, ListHoldsPodsAndAsksForThem) {
  ASSERT_OK_AND_ASSIGN(Report report, List(options_));
  for (const char* row : {"ListPodSandbox", "ListContainers",
                          "ListContainerStats", "ContainerStatus"}) {
    EXPECT_EQ(report.Row(row).size(), 100) << row;
  }
  EXPECT_EQ(report.Row("StartContainer").size(), 20);
  EXPECT_EQ(report.Row("RemovePodSandbox").size(), 20);
  EXPECT_GT(report.ValueOf("start 20 pods"), 0);
  EXPECT_GT(report.ValueOf("server PSS, with 20 pods"), 0);
}

TEST_F(HeldModesTest, DensityLooksAtTheServersProcess) {
  UseTwoServers();
  ASSERT_OK_AND_ASSIGN(Report report, Density(options_));
  EXPECT_GT(report.ValueOf("second: server PSS, with 20 pods"), 0);
  EXPECT_GT(report.ValueOf("first: CPU of the server, probed"), 0);
  EXPECT_GT(report.ValueOf("first: exec probes"), 0);
  // What the fake's containers run is nothing.
  EXPECT_EQ(report.ValueOf("first: runtime processes per pod"), 0);
}

TEST_F(HeldModesTest, RecoverWaitsForTheNewServerAndAllContainers) {
  // The successor is the same one behind a symlink that is made anew.
  const std::string link = server_.socket_path() + ".link";
  ASSERT_OK(sys::SymlinkAt(server_.socket_path(), AT_FDCWD, link));
  options_.endpoint.socket = link;
  options_.restarts = 2;
  options_.restart = "ln -s " + server_.socket_path() + " " + link +
                     ".new && mv " + link + ".new " + link;
  ASSERT_OK_AND_ASSIGN(Report report, Recover(options_));
  EXPECT_EQ(report.Row("restart until Version answers").size(), 2);
  EXPECT_EQ(report.Row("restart until all are RUNNING").size(), 2);
}

TEST_F(HeldModesTest, RecoverRemovesItsPodsAlsoIfNoServerComes) {
  options_.restart = "exit 1";
  EXPECT_THAT(Recover(options_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("the restart command ended with 1")));
  UseTwoServers();
  EXPECT_THAT(Recover(options_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("recover measures one server")));
}

TEST_F(HeldModesTest, SoakCountsItsOperationsAndWhatGrew) {
  options_.root = scratch_.path();
  ASSERT_OK_AND_ASSIGN(Report report, Soak(options_));
  EXPECT_THAT(report.failures(), IsEmpty());
  EXPECT_GT(report.ValueOf("operations"), 0);
  EXPECT_GT(report.ValueOf("server threads, before"), 0);
  EXPECT_GT(report.ValueOf("root inodes, after"), 0);
  server_.FailCreate("no space");
  EXPECT_THAT(Soak(options_), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(HeldModesTest, LogsOfAProgramThatWritesNoneAreAnError) {
  // The fake runs no script.
  options_.count = 1;
  options_.longest = absl::Milliseconds(300);
  EXPECT_THAT(Logs(options_),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("out of time")));
}

TEST_F(HeldModesTest, WhatFailsMidwayIsRemoved) {
  server_.FailCreate("no space");
  EXPECT_THAT(Exec(options_), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(List(options_), StatusIs(absl::StatusCode::kInternal,
                                       HasSubstr("CreateContainer: no space")));
  EXPECT_THAT(Density(options_), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(HeldModesTest, InterruptedTheyAreCancelled) {
  ctl::SetInterruptedForTest(true);
  EXPECT_THAT(Exec(options_), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(List(options_), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Density(options_), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Logs(options_), StatusIs(absl::StatusCode::kCancelled));
  ctl::SetInterruptedForTest(false);
}

}  // namespace
}  // namespace gantry::bench
