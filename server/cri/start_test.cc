// Calls that come while the server recovers what it found on disk.

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "server/cri/testing/rpc_case.h"
#include "server/start_gate.h"

namespace gantry::cri {
namespace {

using ::testing::HasSubstr;
namespace api = ::runtime::v1;

class StartTest : public testing::RpcCase {
 protected:
  void SetUp() override {
    services_.start().Begin();
    services_.start().Expect(3);
    services_.start().NoteContainer();
    testing::RpcCase::SetUp();
  }
  void TearDown() override {
    server_->EndStart();
    testing::RpcCase::TearDown();
  }

  api::StatusResponse Status() {
    grpc::ClientContext context;
    api::StatusResponse status;
    EXPECT_TRUE(runtime_->Status(&context, {}, &status).ok());
    return status;
  }

  static void SetDeadline(grpc::ClientContext& context, int millis) {
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(millis));
  }
};

TEST_F(StartTest, VersionAndStatusAreServedAtOnce) {
  grpc::ClientContext version_context;
  api::VersionResponse version;
  EXPECT_TRUE(runtime_->Version(&version_context, {}, &version).ok());
  EXPECT_EQ(version.runtime_name(), "gantry");
  grpc::ClientContext config_context;
  api::RuntimeConfigResponse config;
  EXPECT_TRUE(runtime_->RuntimeConfig(&config_context, {}, &config).ok());

  const api::StatusResponse starting = Status();
  ASSERT_EQ(starting.status().conditions_size(), 2);
  for (const api::RuntimeCondition& condition :
       starting.status().conditions()) {
    EXPECT_FALSE(condition.status()) << condition.type();
    EXPECT_THAT(condition.message(), HasSubstr("recovering containers: 1 of 3"))
        << condition.type();
  }
  services_.start().End();
  const api::StatusResponse started = Status();
  for (const api::RuntimeCondition& condition : started.status().conditions()) {
    EXPECT_TRUE(condition.status()) << condition.type();
  }
}

TEST_F(StartTest, OtherCallsWaitForTheEndOfTheStart) {
  PutPod("1", record::PodRecord::READY);
  grpc::ClientContext late_context;
  SetDeadline(late_context, 200);
  api::ListPodSandboxResponse unused;
  EXPECT_EQ(runtime_->ListPodSandbox(&late_context, {}, &unused).error_code(),
            grpc::DEADLINE_EXCEEDED);

  std::atomic<bool> answered = false;
  api::ListPodSandboxResponse pods;
  api::StreamPodSandboxesResponse streamed;
  std::thread unary([this, &answered, &pods] {
    grpc::ClientContext context;
    EXPECT_TRUE(runtime_->ListPodSandbox(&context, {}, &pods).ok());
    answered = true;
  });
  std::thread stream([this, &answered, &streamed] {
    grpc::ClientContext context;
    auto reader = runtime_->StreamPodSandboxes(&context, {});
    EXPECT_TRUE(reader->Read(&streamed));
    answered = true;
    EXPECT_TRUE(reader->Finish().ok());
  });
  // Nothing to wait for: that they are not answered is what is looked at.
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_FALSE(answered);
  PutPod("2", record::PodRecord::READY);
  services_.start().End();
  server_->EndStart();
  unary.join();
  stream.join();
  // They see what is there now, not what was there when they came.
  EXPECT_EQ(pods.items_size(), 2);
  EXPECT_EQ(streamed.pod_sandboxes_size(), 2);
}

TEST_F(StartTest, HealthTellsWhetherItServes) {
  const auto serves = [this] {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    grpc::ByteBuffer reply;
    grpc::Slice nothing;
    grpc::ByteBuffer request(&nothing, 1);
    grpc::Status status;
    auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check",
                                      request, &queue);
    call->StartCall();
    call->Finish(&reply, &status, nullptr);
    void* tag;
    bool ok;
    queue.Next(&tag, &ok);
    EXPECT_TRUE(status.ok()) << status.error_message();
    grpc::Slice answer;
    EXPECT_TRUE(reply.TrySingleSlice(&answer).ok());
    // HealthCheckResponse.status (1): SERVING (1).
    return std::string(answer.begin(), answer.end()) == "\x08\x01";
  };
  EXPECT_FALSE(serves());
  services_.start().End();
  server_->EndStart();
  EXPECT_TRUE(serves());
}

TEST(StartGate, KnowsWhoNeedsNothingOfDisk) {
  using server::StartGate;
  EXPECT_TRUE(StartGate::IsExempt("/runtime.v1.RuntimeService/Version"));
  EXPECT_TRUE(StartGate::IsExempt("/runtime.v1.RuntimeService/Status"));
  EXPECT_TRUE(StartGate::IsExempt("/grpc.health.v1.Health/Watch"));
  EXPECT_TRUE(StartGate::IsExempt(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"));
  EXPECT_FALSE(
      StartGate::IsExempt("/runtime.v1.RuntimeService/ContainerStatus"));
  EXPECT_FALSE(StartGate::IsExempt("/runtime.v1.ImageService/PullImage"));
  EXPECT_FALSE(StartGate::IsExempt("/gantry.admin.v1.Admin/Load"));
}

}  // namespace
}  // namespace gantry::cri
