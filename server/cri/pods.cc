// Pods.

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "server/cri/call.h"
#include "server/cri/container_translator.h"
#include "server/cri/filters.h"
#include "server/cri/info.h"
#include "server/cri/runtime_rpcs.h"
#include "server/cri/translate_pod.h"
#include "server/cri/translate_resources.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::PodSandboxStatusResponse;
using ::runtime::v1::RemovePodSandboxResponse;
using ::runtime::v1::RunPodSandboxResponse;
using ::runtime::v1::StopPodSandboxResponse;
using ::runtime::v1::UpdatePodSandboxResourcesResponse;

std::string NameOf(const runtime::v1::PodSandboxMetadata& metadata) {
  return absl::StrCat(metadata.namespace_(),
                      metadata.namespace_().empty() ? "" : "/",
                      metadata.name());
}

work::Task<absl::StatusOr<RunPodSandboxResponse>> Run(
    Services& services, const runtime::v1::RunPodSandboxRequest* request,
    core::StepScope steps) {
  CO_ASSIGN_OR_RETURN(core::PodRequest pod,
                      PodRequestFromCri(*request, services.host));
  CO_ASSIGN_OR_RETURN(std::string id,
                      co_await services.pods.Run(std::move(pod), steps));
  RunPodSandboxResponse response;
  response.set_pod_sandbox_id(std::move(id));
  co_return response;
}

absl::StatusOr<PodSandboxStatusResponse> StatusOf(
    const Services& services,
    const runtime::v1::PodSandboxStatusRequest& request) {
  // Before the look: what is told is no older than that.
  const int64_t now = services.node.clock.UnixNanos();
  ASSIGN_OR_RETURN(core::PodPtr pod,
                   services.pods.Get(request.pod_sandbox_id()));
  PodSandboxStatusResponse response;
  response.set_timestamp(now);
  *response.mutable_status() = PodStatusToCri(*pod);
  if (request.verbose()) {
    runtime::v1::PodSandboxConfig config;
    config.ParseFromString(pod->cri_config());
    (*response.mutable_info())["info"] = PodInfo(*pod, config);
  }
  // For clients that follow events: what they build upon.
  ContainerTranslator translator(services.images);
  for (const core::ContainerPtr& container : services.containers.List()) {
    if (container->pod_id() == pod->id() && IsShown(*container)) {
      *response.add_containers_statuses() = translator.Status(*container);
    }
  }
  return response;
}

work::Task<absl::StatusOr<UpdatePodSandboxResourcesResponse>> UpdateResources(
    Services& services,
    const runtime::v1::UpdatePodSandboxResourcesRequest* request) {
  CO_ASSIGN_OR_RETURN(spec::Resources overhead,
                      PodOverheadFromCri(request->overhead(), "overhead"));
  CO_ASSIGN_OR_RETURN(spec::Resources resources,
                      PodResourcesFromCri(request->resources(), "resources"));
  std::string id = request->pod_sandbox_id();
  absl::Status updated = co_await services.pods.UpdateResources(
      std::move(id), std::move(overhead), std::move(resources));
  CO_RETURN_IF_ERROR(updated);
  co_return UpdatePodSandboxResourcesResponse();
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeRpcs::RunPodSandbox(
    grpc::CallbackServerContext* context,
    const runtime::v1::RunPodSandboxRequest* request,
    runtime::v1::RunPodSandboxResponse* response) {
  CallName call = Watched(services_.node, "RunPodSandbox",
                          NameOf(request->config().metadata()));
  auto task = Run(services_, request, {call.steps.get()});
  return AnswerLater(services_.node.tasks, context, std::move(call),
                     std::move(task), response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::StopPodSandbox(
    grpc::CallbackServerContext* context,
    const runtime::v1::StopPodSandboxRequest* request,
    runtime::v1::StopPodSandboxResponse* response) {
  return AnswerLater(services_.node.tasks, context,
                     {"StopPodSandbox", request->pod_sandbox_id()},
                     Emptily<StopPodSandboxResponse>(
                         services_.pods.Stop(request->pod_sandbox_id())),
                     response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::RemovePodSandbox(
    grpc::CallbackServerContext* context,
    const runtime::v1::RemovePodSandboxRequest* request,
    runtime::v1::RemovePodSandboxResponse* response) {
  return AnswerLater(services_.node.tasks, context,
                     {"RemovePodSandbox", request->pod_sandbox_id()},
                     Emptily<RemovePodSandboxResponse>(
                         services_.pods.Remove(request->pod_sandbox_id())),
                     response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::PodSandboxStatus(
    grpc::CallbackServerContext* context,
    const runtime::v1::PodSandboxStatusRequest* request,
    runtime::v1::PodSandboxStatusResponse* response) {
  return AnswerNow(context, {"PodSandboxStatus", request->pod_sandbox_id()},
                   StatusOf(services_, *request), response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::ListPodSandbox(
    grpc::CallbackServerContext* context,
    const runtime::v1::ListPodSandboxRequest* request,
    runtime::v1::ListPodSandboxResponse* response) {
  for (const core::PodPtr& pod : services_.pods.List()) {
    if (Matches(*pod, request->filter())) {
      *response->add_items() = PodToCri(*pod);
    }
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* RuntimeRpcs::UpdatePodSandboxResources(
    grpc::CallbackServerContext* context,
    const runtime::v1::UpdatePodSandboxResourcesRequest* request,
    runtime::v1::UpdatePodSandboxResourcesResponse* response) {
  return AnswerLater(services_.node.tasks, context,
                     {"UpdatePodSandboxResources", request->pod_sandbox_id()},
                     UpdateResources(services_, request), response);
}

}  // namespace gantry::cri
