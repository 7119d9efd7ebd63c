// Containers: the verbs that change them.

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "runtime/base/status.h"
#include "server/cri/call.h"
#include "server/cri/check.h"
#include "server/cri/check_windows.h"
#include "server/cri/runtime_rpcs.h"
#include "server/cri/translate_container.h"
#include "server/cri/translate_resources.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::CreateContainerResponse;
using ::runtime::v1::RemoveContainerResponse;
using ::runtime::v1::ReopenContainerLogResponse;
using ::runtime::v1::StartContainerResponse;
using ::runtime::v1::StopContainerResponse;
using ::runtime::v1::UpdateContainerResourcesResponse;

// The target of a PID namespace by its full id; it has to be of the same pod
// and to run.
absl::Status ResolveTarget(const Services& services,
                           const record::PodRecord& pod,
                           spec::Namespaces& namespaces) {
  if (namespaces.target_id().empty()) return absl::OkStatus();
  const absl::string_view field =
      "config.linux.security_context.namespace_options.target_id";
  absl::StatusOr<core::ContainerPtr> target =
      services.containers.Get(namespaces.target_id());
  if (!target.ok()) return Annotate(target.status(), field);
  if ((*target)->pod_id() != pod.id()) {
    return BadValue(field, "a container of the same pod",
                    namespaces.target_id());
  }
  namespaces.set_target_id((*target)->id());
  // Asked again at the start; here the client learns it in time.
  if ((*target)->state() == record::ContainerRecord::RUNNING) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(field, ": container ", (*target)->id(), " does not run"));
}

absl::StatusOr<core::ContainerRequest> RequestFor(
    const Services& services,
    const runtime::v1::CreateContainerRequest& request) {
  ASSIGN_OR_RETURN(core::PodPtr pod,
                   services.pods.Get(request.pod_sandbox_id()));
  runtime::v1::PodSandboxConfig config;
  if (!config.ParseFromString(pod->cri_config())) {
    return absl::DataLossError(absl::StrCat(
        "the record of pod ", pod->id(), " holds no readable configuration"));
  }
  ASSIGN_OR_RETURN(core::ContainerRequest container,
                   ContainerRequestFromCri(request, config, services.host));
  container.pod_id = pod->id();
  RETURN_IF_ERROR(
      ResolveTarget(services, *pod, *container.spec.mutable_namespaces()));
  return container;
}

work::Task<absl::StatusOr<CreateContainerResponse>> Create(
    Services& services, const runtime::v1::CreateContainerRequest* request) {
  CO_ASSIGN_OR_RETURN(core::ContainerRequest container,
                      RequestFor(services, *request));
  CO_ASSIGN_OR_RETURN(std::string id, co_await services.containers.Create(
                                          std::move(container)));
  CreateContainerResponse response;
  response.set_container_id(std::move(id));
  co_return response;
}

work::Task<absl::StatusOr<StopContainerResponse>> Stop(Services& services,
                                                       std::string id,
                                                       int64_t seconds) {
  if (seconds < 0) {
    co_return BadField("timeout",
                       absl::StrCat("expected 0 or more, found ", seconds));
  }
  const absl::Duration timeout = absl::Seconds(seconds);
  absl::Status stopped =
      co_await services.containers.Stop(std::move(id), timeout);
  CO_RETURN_IF_ERROR(stopped);
  co_return StopContainerResponse();
}

work::Task<absl::StatusOr<UpdateContainerResourcesResponse>> Update(
    Services& services,
    const runtime::v1::UpdateContainerResourcesRequest* request) {
  CO_ASSIGN_OR_RETURN(spec::Resources resources,
                      ResourcesFromCri(request->linux(), "linux"));
  CO_RETURN_IF_ERROR(CheckOomScoreAdj(request->linux(), "linux"));
  CO_RETURN_IF_ERROR(CheckNoWindows("windows", request->windows()));
  std::string id = request->container_id();
  absl::Status updated =
      co_await services.containers.Update(std::move(id), std::move(resources));
  CO_RETURN_IF_ERROR(updated);
  co_return UpdateContainerResourcesResponse();
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeRpcs::CreateContainer(
    grpc::CallbackServerContext* context,
    const runtime::v1::CreateContainerRequest* request,
    runtime::v1::CreateContainerResponse* response) {
  return AnswerLater(
      services_.node.tasks, context,
      {"CreateContainer", absl::StrCat(request->config().metadata().name(),
                                       " in pod ", request->pod_sandbox_id())},
      Create(services_, request), response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::StartContainer(
    grpc::CallbackServerContext* context,
    const runtime::v1::StartContainerRequest* request,
    runtime::v1::StartContainerResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  CallName call =
      Watched(services_.node, "StartContainer", request->container_id());
  auto task = services_.containers.Start(call.object, {call.steps.get()});
  auto done = [this, context, reactor, response,
               call = std::move(call)](absl::Status started) {
    const std::string& id = call.object;
    // After a deadline or a lost connection the client may ask again.
    const bool told = started.ok() && !context->IsCancelled();
    absl::StatusOr<StartContainerResponse> result = StartContainerResponse();
    if (!started.ok()) result = std::move(started);
    if (told) services_.containers.NoteStartTold(id);
    FinishCall(reactor, call, std::move(result), response);
    if (told) {
      services_.node.tasks.Start(services_.containers.AcknowledgeStart(id));
    }
  };
  services_.node.tasks.Start(std::move(task), std::move(done));
  return reactor;
}

grpc::ServerUnaryReactor* RuntimeRpcs::StopContainer(
    grpc::CallbackServerContext* context,
    const runtime::v1::StopContainerRequest* request,
    runtime::v1::StopContainerResponse* response) {
  return AnswerLater(
      services_.node.tasks, context, {"StopContainer", request->container_id()},
      Stop(services_, request->container_id(), request->timeout()), response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::RemoveContainer(
    grpc::CallbackServerContext* context,
    const runtime::v1::RemoveContainerRequest* request,
    runtime::v1::RemoveContainerResponse* response) {
  return AnswerLater(services_.node.tasks, context,
                     {"RemoveContainer", request->container_id()},
                     Emptily<RemoveContainerResponse>(
                         services_.containers.Remove(request->container_id())),
                     response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::UpdateContainerResources(
    grpc::CallbackServerContext* context,
    const runtime::v1::UpdateContainerResourcesRequest* request,
    runtime::v1::UpdateContainerResourcesResponse* response) {
  return AnswerLater(services_.node.tasks, context,
                     {"UpdateContainerResources", request->container_id()},
                     Update(services_, request), response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::ReopenContainerLog(
    grpc::CallbackServerContext* context,
    const runtime::v1::ReopenContainerLogRequest* request,
    runtime::v1::ReopenContainerLogResponse* response) {
  return AnswerLater(
      services_.node.tasks, context,
      {"ReopenContainerLog", request->container_id()},
      Emptily<ReopenContainerLogResponse>(
          services_.containers.ReopenLog(request->container_id())),
      response);
}

}  // namespace gantry::cri
