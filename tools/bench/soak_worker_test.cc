#include "tools/bench/soak_worker.h"

#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/temp_dir.h"
#include "tools/ctl/testing/fake_cri_server.h"

namespace gantry::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SoakWorkerTest : public ::testing::Test {
 protected:
  SoakWorkerTest() {
    server_.AddImage("localhost/busybox:latest", "sha256:0123");
    options_.socket = server_.socket_path();
    mark_ = *RunMark::Make(scratch_.path());
    endpoint_ = *Endpoint::Connect(options_, *mark_);
    Life unused;
    const std::string pod = *endpoint_->RunPod(0, &unused);
    staying_ = *endpoint_->CreateContainer(pod, 0, 0, &unused);
    EXPECT_OK(endpoint_->StartContainer(staying_, &unused));
  }

  sys::testing::TempDir scratch_;
  ctl::testing::FakeCriServer server_;
  EndpointOptions options_;
  std::unique_ptr<RunMark> mark_;
  std::unique_ptr<Endpoint> endpoint_;
  std::string staying_;
};

TEST_F(SoakWorkerTest, DoesAllKindsOfCallsAndLeavesNothing) {
  SoakWorker worker(endpoint_.get(), /*seed=*/1, /*first_number=*/1, staying_);
  for (int i = 0; i < 1000; ++i) worker.Step();
  worker.End();
  EXPECT_THAT(worker.failures(), IsEmpty());
  EXPECT_EQ(worker.done().size(), 14);
  EXPECT_EQ(server_.pods(), 1);
}

TEST_F(SoakWorkerTest, TheSameSeedMakesTheSameChoices) {
  std::map<std::string, int64_t> done[3];
  for (int i = 0; i < 3; ++i) {
    SoakWorker worker(endpoint_.get(), i < 2 ? 7 : 8, 1, staying_);
    for (int step = 0; step < 200; ++step) worker.Step();
    worker.End();
    done[i] = worker.done();
  }
  EXPECT_EQ(done[0], done[1]);
  EXPECT_NE(done[0], done[2]);
}

TEST_F(SoakWorkerTest, WhatShouldNotFailIsCountedAndItsPodGiven) {
  server_.FailCreate("no space");
  SoakWorker worker(endpoint_.get(), 1, 1, staying_);
  for (int i = 0; i < 100; ++i) worker.Step();
  worker.End();
  ASSERT_GT(worker.failed(), 1);
  EXPECT_THAT(
      worker.failures()[0],
      HasSubstr("CreateContainer: INTERNAL: CreateContainer: no space"));
  EXPECT_EQ(server_.pods(), 1);
}

TEST_F(SoakWorkerTest, AProgramThatFailsIsAFailure) {
  ::runtime::v1::ExecSyncResponse answer;
  answer.set_exit_code(1);
  server_.SetExecAnswer(answer);
  SoakWorker worker(endpoint_.get(), 1, 1, staying_);
  for (int i = 0; i < 200; ++i) worker.Step();
  worker.End();
  EXPECT_GT(worker.failed(), 0);
}

}  // namespace
}  // namespace gantry::bench
