// A test case with the RPCs served over a unix socket, and stubs for them.

#ifndef GANTRY_SERVER_CRI_TESTING_RPC_CASE_H_
#define GANTRY_SERVER_CRI_TESTING_RPC_CASE_H_

#include <signal.h>

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/admin.grpc.pb.h"
#include "proto/cri/v1/api.grpc.pb.h"
#include "runtime/base/testing/status_matchers.h"
#include "server/cri/testing/test_services.h"
#include "server/grpc_server.h"
#include "server/testing/short_dir.h"

namespace gantry::cri::testing {

class RpcCase : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    const std::string socket = dir_.path() + "/s";
    ASSERT_OK_AND_ASSIGN(server_,
                         server::GrpcServer::Start(socket, services_.get()));
    channel_ = grpc::CreateChannel("unix://" + socket,
                                   grpc::InsecureChannelCredentials());
    runtime_ = runtime::v1::RuntimeService::NewStub(channel_);
    images_ = runtime::v1::ImageService::NewStub(channel_);
    admin_ = admin::v1::Admin::NewStub(channel_);
  }
  void TearDown() override {
    if (server_ != nullptr) server_->Shutdown(absl::Seconds(10));
  }

  record::PodRecord PutPod(const std::string& id,
                           record::PodRecord::State state) {
    record::PodRecord pod;
    pod.set_id(id);
    pod.set_name("name of " + id);
    pod.set_cgroup_path("/gantry/" + id);
    pod.set_state(state);
    pod.mutable_metadata()->set_name("pod-" + id);
    (*pod.mutable_labels())["app"] = "web";
    services_.node().pods.Put(pod);
    return pod;
  }

  record::ContainerRecord PutContainer(const std::string& id,
                                       const std::string& pod_id) {
    record::ContainerRecord container;
    container.set_id(id);
    container.set_pod_id(pod_id);
    container.set_name("name of " + id);
    container.set_state(record::ContainerRecord::CREATED);
    container.set_image_id("sha256:1");
    services_.node().containers.Put(container);
    return container;
  }

  server::testing::ShortDir dir_;
  TestServices services_;
  std::unique_ptr<server::GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<runtime::v1::RuntimeService::Stub> runtime_;
  std::unique_ptr<runtime::v1::ImageService::Stub> images_;
  std::unique_ptr<admin::v1::Admin::Stub> admin_;
};

}  // namespace gantry::cri::testing

#endif  // GANTRY_SERVER_CRI_TESTING_RPC_CASE_H_
