// CRI's RuntimeService. Each RPC checks and translates, calls one use case, and
// translates its answer.
//
// Thread safety: as gRPC asks: all methods from any thread. What is answered
// from memory is answered at once; the rest as a task (call.h).

#ifndef GANTRY_SERVER_CRI_RUNTIME_RPCS_H_
#define GANTRY_SERVER_CRI_RUNTIME_RPCS_H_

#include <string>

#include "proto/cri/v1/api.grpc.pb.h"
#include "server/cri/services.h"

namespace gantry::cri {

class RuntimeRpcs final : public runtime::v1::RuntimeService::CallbackService {
 public:
  explicit RuntimeRpcs(Services& services) : services_(services) {}

  // version_status.cc
  grpc::ServerUnaryReactor* Version(
      grpc::CallbackServerContext* context,
      const runtime::v1::VersionRequest* request,
      runtime::v1::VersionResponse* response) override;
  grpc::ServerUnaryReactor* UpdateRuntimeConfig(
      grpc::CallbackServerContext* context,
      const runtime::v1::UpdateRuntimeConfigRequest* request,
      runtime::v1::UpdateRuntimeConfigResponse* response) override;
  grpc::ServerUnaryReactor* Status(
      grpc::CallbackServerContext* context,
      const runtime::v1::StatusRequest* request,
      runtime::v1::StatusResponse* response) override;
  grpc::ServerUnaryReactor* RuntimeConfig(
      grpc::CallbackServerContext* context,
      const runtime::v1::RuntimeConfigRequest* request,
      runtime::v1::RuntimeConfigResponse* response) override;

  // pods.cc
  grpc::ServerUnaryReactor* RunPodSandbox(
      grpc::CallbackServerContext* context,
      const runtime::v1::RunPodSandboxRequest* request,
      runtime::v1::RunPodSandboxResponse* response) override;
  grpc::ServerUnaryReactor* StopPodSandbox(
      grpc::CallbackServerContext* context,
      const runtime::v1::StopPodSandboxRequest* request,
      runtime::v1::StopPodSandboxResponse* response) override;
  grpc::ServerUnaryReactor* RemovePodSandbox(
      grpc::CallbackServerContext* context,
      const runtime::v1::RemovePodSandboxRequest* request,
      runtime::v1::RemovePodSandboxResponse* response) override;
  grpc::ServerUnaryReactor* PodSandboxStatus(
      grpc::CallbackServerContext* context,
      const runtime::v1::PodSandboxStatusRequest* request,
      runtime::v1::PodSandboxStatusResponse* response) override;
  grpc::ServerUnaryReactor* ListPodSandbox(
      grpc::CallbackServerContext* context,
      const runtime::v1::ListPodSandboxRequest* request,
      runtime::v1::ListPodSandboxResponse* response) override;
  grpc::ServerUnaryReactor* UpdatePodSandboxResources(
      grpc::CallbackServerContext* context,
      const runtime::v1::UpdatePodSandboxResourcesRequest* request,
      runtime::v1::UpdatePodSandboxResourcesResponse* response) override;

  // containers.cc
  grpc::ServerUnaryReactor* CreateContainer(
      grpc::CallbackServerContext* context,
      const runtime::v1::CreateContainerRequest* request,
      runtime::v1::CreateContainerResponse* response) override;
  grpc::ServerUnaryReactor* StartContainer(
      grpc::CallbackServerContext* context,
      const runtime::v1::StartContainerRequest* request,
      runtime::v1::StartContainerResponse* response) override;
  grpc::ServerUnaryReactor* StopContainer(
      grpc::CallbackServerContext* context,
      const runtime::v1::StopContainerRequest* request,
      runtime::v1::StopContainerResponse* response) override;
  grpc::ServerUnaryReactor* RemoveContainer(
      grpc::CallbackServerContext* context,
      const runtime::v1::RemoveContainerRequest* request,
      runtime::v1::RemoveContainerResponse* response) override;
  grpc::ServerUnaryReactor* UpdateContainerResources(
      grpc::CallbackServerContext* context,
      const runtime::v1::UpdateContainerResourcesRequest* request,
      runtime::v1::UpdateContainerResourcesResponse* response) override;
  grpc::ServerUnaryReactor* ReopenContainerLog(
      grpc::CallbackServerContext* context,
      const runtime::v1::ReopenContainerLogRequest* request,
      runtime::v1::ReopenContainerLogResponse* response) override;

  // container_views.cc
  grpc::ServerUnaryReactor* ListContainers(
      grpc::CallbackServerContext* context,
      const runtime::v1::ListContainersRequest* request,
      runtime::v1::ListContainersResponse* response) override;
  grpc::ServerUnaryReactor* ContainerStatus(
      grpc::CallbackServerContext* context,
      const runtime::v1::ContainerStatusRequest* request,
      runtime::v1::ContainerStatusResponse* response) override;

  // exec.cc
  grpc::ServerUnaryReactor* ExecSync(
      grpc::CallbackServerContext* context,
      const runtime::v1::ExecSyncRequest* request,
      runtime::v1::ExecSyncResponse* response) override;

  // streaming_rpcs.cc
  grpc::ServerUnaryReactor* Exec(grpc::CallbackServerContext* context,
                                 const runtime::v1::ExecRequest* request,
                                 runtime::v1::ExecResponse* response) override;
  grpc::ServerUnaryReactor* Attach(
      grpc::CallbackServerContext* context,
      const runtime::v1::AttachRequest* request,
      runtime::v1::AttachResponse* response) override;
  grpc::ServerUnaryReactor* PortForward(
      grpc::CallbackServerContext* context,
      const runtime::v1::PortForwardRequest* request,
      runtime::v1::PortForwardResponse* response) override;

  // stats.cc
  grpc::ServerUnaryReactor* ContainerStats(
      grpc::CallbackServerContext* context,
      const runtime::v1::ContainerStatsRequest* request,
      runtime::v1::ContainerStatsResponse* response) override;
  grpc::ServerUnaryReactor* ListContainerStats(
      grpc::CallbackServerContext* context,
      const runtime::v1::ListContainerStatsRequest* request,
      runtime::v1::ListContainerStatsResponse* response) override;
  grpc::ServerWriteReactor<runtime::v1::StreamContainerStatsResponse>*
  StreamContainerStats(
      grpc::CallbackServerContext* context,
      const runtime::v1::StreamContainerStatsRequest* request) override;

  // pod_stats.cc
  grpc::ServerUnaryReactor* PodSandboxStats(
      grpc::CallbackServerContext* context,
      const runtime::v1::PodSandboxStatsRequest* request,
      runtime::v1::PodSandboxStatsResponse* response) override;
  grpc::ServerUnaryReactor* ListPodSandboxStats(
      grpc::CallbackServerContext* context,
      const runtime::v1::ListPodSandboxStatsRequest* request,
      runtime::v1::ListPodSandboxStatsResponse* response) override;
  grpc::ServerWriteReactor<runtime::v1::StreamPodSandboxStatsResponse>*
  StreamPodSandboxStats(
      grpc::CallbackServerContext* context,
      const runtime::v1::StreamPodSandboxStatsRequest* request) override;

  // metrics.cc
  grpc::ServerUnaryReactor* ListMetricDescriptors(
      grpc::CallbackServerContext* context,
      const runtime::v1::ListMetricDescriptorsRequest* request,
      runtime::v1::ListMetricDescriptorsResponse* response) override;
  grpc::ServerUnaryReactor* ListPodSandboxMetrics(
      grpc::CallbackServerContext* context,
      const runtime::v1::ListPodSandboxMetricsRequest* request,
      runtime::v1::ListPodSandboxMetricsResponse* response) override;
  grpc::ServerWriteReactor<runtime::v1::StreamPodSandboxMetricsResponse>*
  StreamPodSandboxMetrics(
      grpc::CallbackServerContext* context,
      const runtime::v1::StreamPodSandboxMetricsRequest* request) override;

  // streams.cc
  grpc::ServerWriteReactor<runtime::v1::StreamPodSandboxesResponse>*
  StreamPodSandboxes(
      grpc::CallbackServerContext* context,
      const runtime::v1::StreamPodSandboxesRequest* request) override;
  grpc::ServerWriteReactor<runtime::v1::StreamContainersResponse>*
  StreamContainers(
      grpc::CallbackServerContext* context,
      const runtime::v1::StreamContainersRequest* request) override;

  // events.cc
  grpc::ServerWriteReactor<runtime::v1::ContainerEventResponse>*
  GetContainerEvents(grpc::CallbackServerContext* context,
                     const runtime::v1::GetEventsRequest* request) override;

  // not_built.cc: UNIMPLEMENTED with their name.
  grpc::ServerUnaryReactor* CheckpointContainer(
      grpc::CallbackServerContext* context,
      const runtime::v1::CheckpointContainerRequest* request,
      runtime::v1::CheckpointContainerResponse* response) override;
  grpc::ServerUnaryReactor* CheckpointPod(
      grpc::CallbackServerContext* context,
      const runtime::v1::CheckpointPodRequest* request,
      runtime::v1::CheckpointPodResponse* response) override;
  grpc::ServerUnaryReactor* RestorePod(
      grpc::CallbackServerContext* context,
      const runtime::v1::RestorePodRequest* request,
      runtime::v1::RestorePodResponse* response) override;

 private:
  Services& services_;
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_RUNTIME_RPCS_H_
