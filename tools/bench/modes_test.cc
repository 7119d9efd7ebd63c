// Whole modes against a fake server over a real socket.

#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"
#include "runtime/sys/testing/temp_dir.h"
#include "tools/bench/lanes.h"
#include "tools/bench/mode.h"
#include "tools/ctl/interrupt.h"
#include "tools/ctl/testing/fake_cri_server.h"

namespace gantry::bench {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

class ModesTest : public ::testing::Test {
 protected:
  ModesTest() {
    server_.AddImage("localhost/busybox:latest", "sha256:0123");
    options_.endpoint.socket = "unix://" + server_.socket_path();
    options_.count = 5;
    options_.parallel = 3;
    options_.scratch = scratch_.path();
  }
  ~ModesTest() override {
    EXPECT_EQ(server_.pods(), 0);
    const auto left = sys::ListDirAt(scratch_.fd(), ".");
    EXPECT_TRUE(left.ok() && left->empty());
  }

  // The same one twice, as two kinds.
  std::vector<NamedServer> TwoServers() const {
    std::vector<NamedServer> servers = {{"first", options_.endpoint},
                                        {"second", options_.endpoint}};
    servers[1].endpoint.host_network = true;
    return servers;
  }

  sys::testing::TempDir scratch_;
  ctl::testing::FakeCriServer server_;
  ModeOptions options_;
};

TEST_F(ModesTest, LatencyCountsEveryCallNextToTheFloor) {
  ASSERT_OK_AND_ASSIGN(Report report, Latency(options_));
  for (const char* row :
       {kFloorRow, "  mount overlay", "RunPodSandbox", "CreateContainer",
        "StartContainer", "pod to running", "ExecSync(true)", "StopContainer",
        "RemovePodSandbox", "whole life"}) {
    EXPECT_EQ(report.Row(row).size(), 5) << row;
  }
  EXPECT_THAT(report.Table(), HasSubstr("server: fake 1.2.3"));
}

TEST_F(ModesTest, ParallelSharesTheLivesAmongThreads) {
  ASSERT_OK_AND_ASSIGN(Report report, Parallel(options_));
  EXPECT_EQ(report.Row("whole life").size(), 5);
  EXPECT_EQ(report.ValueOf("lives"), 5);
  EXPECT_GT(report.ValueOf("lives per second"), 0);
}

TEST_F(ModesTest, ServersTakeTurnsWithTheFloor) {
  options_.servers = TwoServers();
  ASSERT_OK_AND_ASSIGN(Report latency, Latency(options_));
  for (const char* row :
       {kFloorRow, "first: whole life", "second: pod to running"}) {
    EXPECT_EQ(latency.Row(row).size(), 5) << row;
  }
  EXPECT_THAT(latency.Table(),
              HasSubstr("second: fake 1.2.3 at " + options_.endpoint.socket +
                        ", pods on the host's network"));
  options_.count = 40;
  ASSERT_OK_AND_ASSIGN(Report parallel, Parallel(options_));
  EXPECT_EQ(parallel.Row("first: whole life").size(), 40);
  EXPECT_EQ(parallel.ValueOf("second: lives"), 40);
}

TEST_F(ModesTest, NetworksTakeTurnsWithBarePlugins) {
  sys::testing::FakeTree plugins;
  plugins.Add({sys::testing::File("one", "#!/bin/sh\necho '{}'\n", 0755)});
  plugins.Write(
      "net.conflist",
      R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"one"}]})");
  options_.cni_config = plugins.path() + "/net.conflist";
  options_.cni_plugins = plugins.path();
  options_.servers = TwoServers();
  ASSERT_OK_AND_ASSIGN(Report report, Networks(options_));
  for (const char* row :
       {"plugins, bare: ADD", "plugins, bare: DEL", "first: RunPodSandbox",
        "first: RemovePodSandbox", "second: RunPodSandbox"}) {
    EXPECT_EQ(report.Row(row).size(), 5) << row;
  }
  EXPECT_EQ(server_.containers(), 0);
  plugins.Add({sys::testing::File("one", "#!/bin/sh\nexit 1\n", 0755)});
  EXPECT_THAT(Networks(options_),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("ADD by plugin one ended with 1")));
}

TEST_F(ModesTest, FailedLifeIsRemovedAndNamed) {
  server_.FailCreate("no space");
  EXPECT_THAT(Latency(options_),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("life 0: CreateContainer: no space")));
  EXPECT_THAT(Parallel(options_), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(ModesTest, InterruptedBeforeTheFirstResultIsCancelled) {
  ctl::SetInterruptedForTest(true);
  EXPECT_THAT(Latency(options_), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Parallel(options_), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Networks(options_), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(FloorOnly(options_), StatusIs(absl::StatusCode::kCancelled));
  ctl::SetInterruptedForTest(false);
}

TEST_F(ModesTest, MissingImageIsToldBeforeAnythingRuns) {
  options_.endpoint.image = "nginx";
  EXPECT_THAT(Latency(options_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("image nginx")));
}

}  // namespace
}  // namespace gantry::bench
