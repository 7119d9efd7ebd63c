// The RPCs over a unix socket, by clients of the generated stubs and by the
// descriptors of the services.

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "runtime/json/json.h"
#include "server/call_counter.h"
#include "server/cri/testing/rpc_case.h"
#include "server/grpc_server.h"
#include "server/testing/short_dir.h"

namespace gantry::cri {
namespace {

using ::testing::HasSubstr;
namespace api = ::runtime::v1;

class RpcsTest : public testing::RpcCase {
 protected:
  // Sends an empty request; the answer's status is what is asked for.
  grpc::Status CallEmpty(const google::protobuf::MethodDescriptor& method) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(20));
    grpc::CompletionQueue queue;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call =
        stub.PrepareCall(
            &context, "/" + method.service()->full_name() + "/" + method.name(),
            &queue);
    auto next = [&queue] {
      void* tag;
      bool ok;
      queue.Next(&tag, &ok);
    };
    grpc::Status status;
    grpc::ByteBuffer reply;
    grpc::Slice nothing;
    call->StartCall(nullptr);
    next();
    call->WriteLast(grpc::ByteBuffer(&nothing, 1), grpc::WriteOptions(),
                    nullptr);
    next();
    call->Read(&reply, nullptr);
    next();
    call->Finish(&status, nullptr);
    next();
    return status;
  }
};

// What this build leaves to later; everything else must work.
const std::set<std::string>& NotBuilt() {
  static const auto* const names = new std::set<std::string>{
      "CheckpointContainer", "CheckpointPod", "RestorePod"};
  return *names;
}

TEST_F(RpcsTest, EveryRpcWorksOrNamesItself) {
  int count = 0;
  for (const char* name :
       {"runtime.v1.RuntimeService", "runtime.v1.ImageService"}) {
    const google::protobuf::ServiceDescriptor* service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
            name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i, ++count) {
      const google::protobuf::MethodDescriptor& method = *service->method(i);
      // Ends with its client (events_test.cc).
      if (method.name() == "GetContainerEvents") continue;
      grpc::Status status = CallEmpty(method);
      if (NotBuilt().contains(method.name())) {
        EXPECT_EQ(status.error_code(), grpc::UNIMPLEMENTED) << method.name();
        EXPECT_THAT(status.error_message(), HasSubstr(method.name()));
      } else {
        // An empty request is either fine or names what is missing.
        EXPECT_TRUE(status.ok() ||
                    status.error_code() == grpc::INVALID_ARGUMENT)
            << method.name() << ": " << status.error_code() << " "
            << status.error_message();
      }
    }
  }
  EXPECT_EQ(count, 43);
}

TEST_F(RpcsTest, ReflectionKnowsHealthAndTheNamesOfJson) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  EXPECT_NE(pool->FindServiceByName("grpc.health.v1.Health"), nullptr);
  // What reflection hands out is a copy of the compiled descriptor.
  google::protobuf::FileDescriptorProto file;
  api::RunPodSandboxResponse::descriptor()->file()->CopyTo(&file);
  for (const auto& message : file.message_type()) {
    for (const auto& field : message.field()) {
      EXPECT_TRUE(field.has_json_name()) << message.name() << field.name();
    }
  }
}

TEST_F(RpcsTest, VersionAndStatus) {
  grpc::ClientContext context;
  api::VersionResponse version;
  ASSERT_TRUE(runtime_->Version(&context, {}, &version).ok());
  EXPECT_EQ(version.runtime_name(), "gantry");
  EXPECT_EQ(version.runtime_api_version(), "v1");

  services_.node().degraded.Add("capability CAP_X: not available");
  grpc::ClientContext status_context;
  api::StatusRequest request;
  request.set_verbose(true);
  api::StatusResponse status;
  ASSERT_TRUE(runtime_->Status(&status_context, request, &status).ok());
  ASSERT_EQ(status.status().conditions_size(), 2);
  EXPECT_EQ(status.status().conditions(0).type(), "RuntimeReady");
  EXPECT_TRUE(status.status().conditions(0).status());
  EXPECT_EQ(status.status().conditions(1).type(), "NetworkReady");
  EXPECT_TRUE(status.features().supplemental_groups_policy());
  for (const auto& [key, json] : status.info()) {
    EXPECT_OK(json::Value::Parse(json, key));
  }
  EXPECT_THAT(status.info().at("degraded"), HasSubstr("CAP_X"));
}

TEST_F(RpcsTest, StatusListsTheHandlersAndTheirFeatures) {
  HostAbilities& host = services_.get().host;
  host.runtime_handlers = {"fast"};
  host.recursive_read_only = true;
  host.user_namespaces = true;
  host.user_namespaces_host_network = true;
  grpc::ClientContext context;
  api::StatusResponse status;
  ASSERT_TRUE(runtime_->Status(&context, {}, &status).ok());
  EXPECT_TRUE(status.features().user_namespaces_host_network());
  ASSERT_EQ(status.runtime_handlers_size(), 2);
  EXPECT_EQ(status.runtime_handlers(0).name(), "");
  EXPECT_EQ(status.runtime_handlers(1).name(), "fast");
  for (const api::RuntimeHandler& handler : status.runtime_handlers()) {
    EXPECT_TRUE(handler.features().recursive_read_only_mounts());
    EXPECT_TRUE(handler.features().user_namespaces());
  }
}

TEST_F(RpcsTest, PodStatusHoldsItsContainers) {
  PutPod("aa1", record::PodRecord::READY);
  PutPod("aa2", record::PodRecord::READY);
  PutContainer("c1", "aa1");
  PutContainer("c2", "aa2");
  grpc::ClientContext context;
  api::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id("aa1");
  api::PodSandboxStatusResponse response;
  ASSERT_TRUE(runtime_->PodSandboxStatus(&context, request, &response).ok());
  ASSERT_EQ(response.containers_statuses_size(), 1);
  EXPECT_EQ(response.containers_statuses(0).id(), "c1");
  EXPECT_EQ(response.containers_statuses(0).image_ref(), "sha256:1");
}

TEST_F(RpcsTest, PodCidrIsCheckedAndKept) {
  auto update = [this](const std::string& cidr) {
    grpc::ClientContext context;
    api::UpdateRuntimeConfigRequest request;
    request.mutable_runtime_config()->mutable_network_config()->set_pod_cidr(
        cidr);
    api::UpdateRuntimeConfigResponse response;
    return runtime_->UpdateRuntimeConfig(&context, request, &response)
        .error_code();
  };
  EXPECT_EQ(update("10.1.0.0/16,fd00::/64"), grpc::OK);
  EXPECT_EQ(update(""), grpc::OK);
  EXPECT_EQ(update("10.1.0.0/33"), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(update("10.1.0.0"), grpc::INVALID_ARGUMENT);
  grpc::ClientContext context;
  api::StatusRequest request;
  request.set_verbose(true);
  api::StatusResponse status;
  ASSERT_TRUE(runtime_->Status(&context, request, &status).ok());
  EXPECT_EQ(status.info().at("pod_cidr"), "\"10.1.0.0/16,fd00::/64\"");
}

TEST_F(RpcsTest, ListsAreFiltered) {
  PutPod("aa1", record::PodRecord::READY);
  PutPod("aa2", record::PodRecord::NOT_READY);
  PutPod("bb1", record::PodRecord::CREATING);
  auto list = [this](const api::PodSandboxFilter& filter) {
    grpc::ClientContext context;
    api::ListPodSandboxRequest request;
    *request.mutable_filter() = filter;
    api::ListPodSandboxResponse response;
    EXPECT_TRUE(runtime_->ListPodSandbox(&context, request, &response).ok());
    std::vector<std::string> ids;
    for (const auto& pod : response.items()) ids.push_back(pod.id());
    return ids;
  };
  api::PodSandboxFilter filter;
  EXPECT_THAT(list(filter), ::testing::ElementsAre("aa1", "aa2"));
  filter.mutable_state()->set_state(api::SANDBOX_READY);
  EXPECT_THAT(list(filter), ::testing::ElementsAre("aa1"));
  filter.set_id("b");
  EXPECT_THAT(list(filter), ::testing::IsEmpty());
}

TEST_F(RpcsTest, UnknownObjectsHaveTheRightCodes) {
  grpc::ClientContext c1, c2, c3, c4;
  api::PodSandboxStatusRequest pod;
  pod.set_pod_sandbox_id("nope");
  api::PodSandboxStatusResponse pod_status;
  EXPECT_EQ(runtime_->PodSandboxStatus(&c1, pod, &pod_status).error_code(),
            grpc::NOT_FOUND);
  api::StopPodSandboxRequest stop;
  stop.set_pod_sandbox_id("nope");
  api::StopPodSandboxResponse stopped;
  EXPECT_TRUE(runtime_->StopPodSandbox(&c2, stop, &stopped).ok());
  api::ImageStatusRequest image;
  image.mutable_image()->set_image("nope");
  api::ImageStatusResponse image_status;
  EXPECT_TRUE(images_->ImageStatus(&c3, image, &image_status).ok());
  EXPECT_FALSE(image_status.has_image());
  api::ExecSyncRequest exec;
  exec.set_container_id("nope");
  exec.add_cmd("true");
  api::ExecSyncResponse executed;
  EXPECT_EQ(runtime_->ExecSync(&c4, exec, &executed).error_code(),
            grpc::NOT_FOUND);
}

TEST_F(RpcsTest, ContainerStatusIsVerboseWhenAsked) {
  PutPod("aa1", record::PodRecord::READY);
  PutContainer("c1", "aa1");
  grpc::ClientContext context;
  api::ContainerStatusRequest request;
  request.set_container_id("c1");
  request.set_verbose(true);
  api::ContainerStatusResponse response;
  ASSERT_TRUE(runtime_->ContainerStatus(&context, request, &response).ok());
  EXPECT_EQ(response.status().state(), api::CONTAINER_CREATED);
  // Its image is gone: the id is what is left to tell.
  EXPECT_EQ(response.status().image_ref(), "sha256:1");
  EXPECT_OK(json::Value::Parse(response.info().at("info"), "info"));
}

TEST_F(RpcsTest, TargetOfAPidNamespaceIsOfTheSamePod) {
  PutPod("aa1", record::PodRecord::READY);
  PutPod("aa2", record::PodRecord::READY);
  PutContainer("c1", "aa2");
  grpc::ClientContext context;
  api::CreateContainerRequest request;
  request.set_pod_sandbox_id("aa1");
  request.mutable_config()->mutable_metadata()->set_name("x");
  request.mutable_config()->mutable_image()->set_image("busybox");
  auto& options = *request.mutable_config()
                       ->mutable_linux()
                       ->mutable_security_context()
                       ->mutable_namespace_options();
  options.set_pid(api::TARGET);
  options.set_target_id("c1");
  api::CreateContainerResponse response;
  grpc::Status status = runtime_->CreateContainer(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("target_id"));
}

TEST_F(RpcsTest, LoadRefusesWhatIsNoArchive) {
  auto load = [this](const std::vector<admin::v1::LoadRequest>& messages) {
    grpc::ClientContext context;
    admin::v1::LoadResponse response;
    auto writer = admin_->Load(&context, &response);
    for (const auto& message : messages) {
      if (!writer->Write(message)) break;
    }
    writer->WritesDone();
    return writer->Finish().error_code();
  };
  admin::v1::LoadRequest chunk, path, none;
  chunk.set_chunk(std::string(1 << 20, 'x'));
  path.set_path("relative");
  EXPECT_EQ(load({}), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(load({none}), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(load({path}), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(load({chunk, chunk, chunk, chunk}), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(load({chunk, path}), grpc::INVALID_ARGUMENT);
}

TEST_F(RpcsTest, WhatIsNotUtf8IsRefusedByName) {
  grpc::ClientContext context;
  api::RunPodSandboxRequest request;
  request.mutable_config()->mutable_metadata()->set_name("a\xff");
  api::RunPodSandboxResponse response;
  grpc::Status status = runtime_->RunPodSandbox(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(),
              HasSubstr("runtime.v1.PodSandboxMetadata.name is not UTF-8"));
}

TEST_F(RpcsTest, AMethodThatIsNotThereIsUnimplemented) {
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  grpc::ByteBuffer reply;
  grpc::Slice nothing;
  auto call = stub.PrepareUnaryCall(&context, "/runtime.v1.RuntimeService/None",
                                    grpc::ByteBuffer(&nothing, 1), &queue);
  grpc::Status status;
  call->StartCall();
  call->Finish(&reply, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::UNIMPLEMENTED);
}

TEST_F(RpcsTest, AnIdleClientDoesNotHoldUpTheEnd) {
  grpc::ClientContext context;
  api::VersionResponse version;
  ASSERT_TRUE(runtime_->Version(&context, {}, &version).ok());
  const absl::Time begin = absl::Now();
  server_->Shutdown(absl::Seconds(30));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

TEST_F(RpcsTest, ACallUnderWayHasItsTimeAndItsAnswer) {
  grpc::ClientContext context;
  admin::v1::LoadResponse response;
  auto writer = admin_->Load(&context, &response);
  admin::v1::LoadRequest chunk;
  // Too little to tell whether it is an archive.
  chunk.set_chunk("x");
  ASSERT_TRUE(writer->Write(chunk));
  // Until the server has seen it.
  absl::SleepFor(absl::Milliseconds(100));
  absl::Notification closed;
  std::thread closing([this, &closed] {
    server_->Shutdown(absl::Seconds(30));
    closed.Notify();
  });
  EXPECT_FALSE(closed.WaitForNotificationWithTimeout(absl::Milliseconds(200)));
  writer->WritesDone();
  EXPECT_EQ(writer->Finish().error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_TRUE(closed.WaitForNotificationWithTimeout(absl::Seconds(5)));
  closing.join();
}

TEST_F(RpcsTest, AStreamWithoutAnEndIsCancelledByTheEnd) {
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  auto call =
      stub.PrepareCall(&context, "/grpc.health.v1.Health/Watch", &queue);
  bool ok = false;
  auto next = [&queue, &ok] {
    void* tag;
    return queue.Next(&tag, &ok) && ok;
  };
  grpc::Slice nothing;
  grpc::ByteBuffer reply;
  call->StartCall(nullptr);
  ASSERT_TRUE(next());
  call->WriteLast(grpc::ByteBuffer(&nothing, 1), grpc::WriteOptions(), nullptr);
  ASSERT_TRUE(next());
  call->Read(&reply, nullptr);
  ASSERT_TRUE(next());
  const absl::Time begin = absl::Now();
  server_->Shutdown(absl::Seconds(30));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  grpc::Status status;
  call->Finish(&status, nullptr);
  next();
  EXPECT_FALSE(status.ok());
}

TEST(CallCounterTest, KnowsWhichStreamsHaveNoEnd) {
  using server::CallCounter;
  EXPECT_TRUE(
      CallCounter::IsEndless("/runtime.v1.RuntimeService/GetContainerEvents"));
  EXPECT_TRUE(CallCounter::IsEndless(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"));
  EXPECT_FALSE(CallCounter::IsEndless("/grpc.health.v1.Health/Check"));
  EXPECT_FALSE(
      CallCounter::IsEndless("/runtime.v1.RuntimeService/StreamContainers"));
}

TEST_F(RpcsTest, ManyCallsAtOnce) {
  PutPod("aa1", record::PodRecord::READY);
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([this] {
      for (int n = 0; n < 50; ++n) {
        grpc::ClientContext c1, c2, c3;
        api::ListContainerStatsResponse stats;
        EXPECT_TRUE(runtime_->ListContainerStats(&c1, {}, &stats).ok());
        api::ListPodSandboxResponse pods;
        EXPECT_TRUE(runtime_->ListPodSandbox(&c2, {}, &pods).ok());
        api::RemoveContainerRequest remove;
        remove.set_container_id("nope");
        api::RemoveContainerResponse removed;
        EXPECT_TRUE(runtime_->RemoveContainer(&c3, remove, &removed).ok());
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace gantry::cri
