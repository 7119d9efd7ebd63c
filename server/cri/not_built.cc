// The RPCs that are not built yet. Each answers UNIMPLEMENTED and names itself.

#include "server/cri/call.h"
#include "server/cri/image_rpcs.h"
#include "server/cri/runtime_rpcs.h"

namespace gantry::cri {

grpc::ServerWriteReactor<runtime::v1::StreamPodSandboxesResponse>*
RuntimeRpcs::StreamPodSandboxes(grpc::CallbackServerContext*,
                                const runtime::v1::StreamPodSandboxesRequest*) {
  return new NotBuiltStream<runtime::v1::StreamPodSandboxesResponse>(
      "StreamPodSandboxes");
}

grpc::ServerWriteReactor<runtime::v1::StreamContainersResponse>*
RuntimeRpcs::StreamContainers(grpc::CallbackServerContext*,
                              const runtime::v1::StreamContainersRequest*) {
  return new NotBuiltStream<runtime::v1::StreamContainersResponse>(
      "StreamContainers");
}

grpc::ServerWriteReactor<runtime::v1::StreamContainerStatsResponse>*
RuntimeRpcs::StreamContainerStats(
    grpc::CallbackServerContext*,
    const runtime::v1::StreamContainerStatsRequest*) {
  return new NotBuiltStream<runtime::v1::StreamContainerStatsResponse>(
      "StreamContainerStats");
}

grpc::ServerUnaryReactor* RuntimeRpcs::PodSandboxStats(
    grpc::CallbackServerContext* context,
    const runtime::v1::PodSandboxStatsRequest*,
    runtime::v1::PodSandboxStatsResponse*) {
  return AnswerNotBuilt(context, "PodSandboxStats");
}

grpc::ServerUnaryReactor* RuntimeRpcs::ListPodSandboxStats(
    grpc::CallbackServerContext* context,
    const runtime::v1::ListPodSandboxStatsRequest*,
    runtime::v1::ListPodSandboxStatsResponse*) {
  return AnswerNotBuilt(context, "ListPodSandboxStats");
}

grpc::ServerWriteReactor<runtime::v1::StreamPodSandboxStatsResponse>*
RuntimeRpcs::StreamPodSandboxStats(
    grpc::CallbackServerContext*,
    const runtime::v1::StreamPodSandboxStatsRequest*) {
  return new NotBuiltStream<runtime::v1::StreamPodSandboxStatsResponse>(
      "StreamPodSandboxStats");
}

grpc::ServerUnaryReactor* RuntimeRpcs::CheckpointContainer(
    grpc::CallbackServerContext* context,
    const runtime::v1::CheckpointContainerRequest*,
    runtime::v1::CheckpointContainerResponse*) {
  return AnswerNotBuilt(context, "CheckpointContainer");
}

grpc::ServerUnaryReactor* RuntimeRpcs::CheckpointPod(
    grpc::CallbackServerContext* context,
    const runtime::v1::CheckpointPodRequest*,
    runtime::v1::CheckpointPodResponse*) {
  return AnswerNotBuilt(context, "CheckpointPod");
}

grpc::ServerUnaryReactor* RuntimeRpcs::RestorePod(
    grpc::CallbackServerContext* context, const runtime::v1::RestorePodRequest*,
    runtime::v1::RestorePodResponse*) {
  return AnswerNotBuilt(context, "RestorePod");
}

grpc::ServerWriteReactor<runtime::v1::ContainerEventResponse>*
RuntimeRpcs::GetContainerEvents(grpc::CallbackServerContext*,
                                const runtime::v1::GetEventsRequest*) {
  return new NotBuiltStream<runtime::v1::ContainerEventResponse>(
      "GetContainerEvents");
}

grpc::ServerUnaryReactor* RuntimeRpcs::ListMetricDescriptors(
    grpc::CallbackServerContext* context,
    const runtime::v1::ListMetricDescriptorsRequest*,
    runtime::v1::ListMetricDescriptorsResponse*) {
  return AnswerNotBuilt(context, "ListMetricDescriptors");
}

grpc::ServerUnaryReactor* RuntimeRpcs::ListPodSandboxMetrics(
    grpc::CallbackServerContext* context,
    const runtime::v1::ListPodSandboxMetricsRequest*,
    runtime::v1::ListPodSandboxMetricsResponse*) {
  return AnswerNotBuilt(context, "ListPodSandboxMetrics");
}

grpc::ServerWriteReactor<runtime::v1::StreamPodSandboxMetricsResponse>*
RuntimeRpcs::StreamPodSandboxMetrics(
    grpc::CallbackServerContext*,
    const runtime::v1::StreamPodSandboxMetricsRequest*) {
  return new NotBuiltStream<runtime::v1::StreamPodSandboxMetricsResponse>(
      "StreamPodSandboxMetrics");
}

grpc::ServerWriteReactor<runtime::v1::StreamImagesResponse>*
ImageRpcs::StreamImages(grpc::CallbackServerContext*,
                        const runtime::v1::StreamImagesRequest*) {
  return new NotBuiltStream<runtime::v1::StreamImagesResponse>("StreamImages");
}

}  // namespace gantry::cri
