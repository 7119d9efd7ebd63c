// Containers: the verbs that look at them, answered from memory.

#include <utility>

#include "runtime/base/status.h"
#include "server/cri/call.h"
#include "server/cri/container_translator.h"
#include "server/cri/filters.h"
#include "server/cri/info.h"
#include "server/cri/runtime_rpcs.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::ContainerStatusResponse;

absl::StatusOr<ContainerStatusResponse> StatusOf(
    const Services& services,
    const runtime::v1::ContainerStatusRequest& request) {
  ASSIGN_OR_RETURN(core::ContainerPtr container,
                   services.containers.Get(request.container_id()));
  ContainerStatusResponse response;
  *response.mutable_status() =
      ContainerTranslator(services.images).Status(*container);
  if (request.verbose()) {
    runtime::v1::ContainerConfig config;
    config.ParseFromString(container->cri_config());
    (*response.mutable_info())["info"] = ContainerInfo(*container, config);
  }
  return response;
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeRpcs::ListContainers(
    grpc::CallbackServerContext* context,
    const runtime::v1::ListContainersRequest* request,
    runtime::v1::ListContainersResponse* response) {
  ContainerTranslator translator(services_.images);
  for (const core::ContainerPtr& container : services_.containers.List()) {
    if (Matches(*container, request->filter())) {
      *response->add_containers() = translator.Listed(*container);
    }
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* RuntimeRpcs::ContainerStatus(
    grpc::CallbackServerContext* context,
    const runtime::v1::ContainerStatusRequest* request,
    runtime::v1::ContainerStatusResponse* response) {
  return AnswerNow(context, {"ContainerStatus", request->container_id()},
                   StatusOf(services_, *request), response);
}

}  // namespace gantry::cri
