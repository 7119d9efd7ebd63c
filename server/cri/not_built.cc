// The RPCs that are not built yet. Each answers UNIMPLEMENTED and names itself.

#include "server/cri/call.h"
#include "server/cri/runtime_rpcs.h"

namespace gantry::cri {

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

}  // namespace gantry::cri
