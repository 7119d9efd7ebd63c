// Exec, Attach and PortForward: each answers with a URL at which the client
// fetches its streams, once (server/streaming).

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "server/core/stream_request.h"
#include "server/cri/call.h"
#include "server/cri/check.h"
#include "server/cri/runtime_rpcs.h"

namespace gantry::cri {
namespace {

// A client that forwards more names them on the streams.
constexpr int kMaxPorts = 64;

// ExecRequest and AttachRequest say it alike.
template <typename Request>
absl::StatusOr<core::WantedStreams> WantedOf(const Request& request) {
  core::WantedStreams wanted;
  wanted.in = request.stdin();
  wanted.out = request.stdout();
  wanted.err = request.stderr();
  wanted.terminal = request.tty();
  if (wanted.terminal && wanted.err) {
    return BadField("stderr", "a terminal (tty) has one output only");
  }
  if (!wanted.in && !wanted.out && !wanted.err) {
    return BadField("stdin, stdout, stderr", "one of them must be set");
  }
  return wanted;
}

absl::StatusOr<core::StreamRequest> Translate(
    const Services& services, const runtime::v1::ExecRequest& request) {
  core::ExecStreamRequest exec;
  if (request.cmd().empty() || request.cmd(0).empty()) {
    return BadField("cmd", "names no program");
  }
  for (int i = 0; i < request.cmd_size(); ++i) {
    RETURN_IF_ERROR(CheckNoNul(At("cmd", i), request.cmd(i)));
  }
  exec.args.assign(request.cmd().begin(), request.cmd().end());
  ASSIGN_OR_RETURN(exec.streams, WantedOf(request));
  // Not a pause: it is no container of the client.
  ASSIGN_OR_RETURN(core::ContainerPtr container,
                   services.containers.Get(request.container_id()));
  exec.container_id = container->id();
  return exec;
}

absl::StatusOr<core::StreamRequest> Translate(
    const Services& services, const runtime::v1::AttachRequest& request) {
  core::AttachRequest attach;
  ASSIGN_OR_RETURN(attach.streams, WantedOf(request));
  ASSIGN_OR_RETURN(core::ContainerPtr container,
                   services.containers.Get(request.container_id()));
  attach.container_id = container->id();
  return attach;
}

absl::StatusOr<core::StreamRequest> Translate(
    const Services& services, const runtime::v1::PortForwardRequest& request) {
  core::PortForwardRequest forward;
  if (request.port_size() > kMaxPorts) {
    return BadField(
        "port", absl::StrCat("expected at most ", kMaxPorts, " ports, found ",
                             request.port_size()));
  }
  for (int i = 0; i < request.port_size(); ++i) {
    RETURN_IF_ERROR(CheckRange(At("port", i), request.port(i), 1, UINT16_MAX));
    forward.ports.push_back(static_cast<uint16_t>(request.port(i)));
  }
  ASSIGN_OR_RETURN(core::PodPtr pod,
                   services.pods.Get(request.pod_sandbox_id()));
  forward.pod_id = pod->id();
  return forward;
}

template <typename Request, typename Response>
absl::StatusOr<Response> Offer(Services& services, const Request& request) {
  ASSIGN_OR_RETURN(core::StreamRequest wanted, Translate(services, request));
  RETURN_IF_ERROR(services.streams.Check(wanted));
  ASSIGN_OR_RETURN(std::string url, services.urls.UrlFor(std::move(wanted)));
  Response response;
  response.set_url(std::move(url));
  return response;
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeRpcs::Exec(
    grpc::CallbackServerContext* context,
    const runtime::v1::ExecRequest* request,
    runtime::v1::ExecResponse* response) {
  return AnswerNow(context, {"Exec", request->container_id()},
                   Offer<runtime::v1::ExecRequest, runtime::v1::ExecResponse>(
                       services_, *request),
                   response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::Attach(
    grpc::CallbackServerContext* context,
    const runtime::v1::AttachRequest* request,
    runtime::v1::AttachResponse* response) {
  return AnswerNow(
      context, {"Attach", request->container_id()},
      Offer<runtime::v1::AttachRequest, runtime::v1::AttachResponse>(services_,
                                                                     *request),
      response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::PortForward(
    grpc::CallbackServerContext* context,
    const runtime::v1::PortForwardRequest* request,
    runtime::v1::PortForwardResponse* response) {
  return AnswerNow(
      context, {"PortForward", request->pod_sandbox_id()},
      Offer<runtime::v1::PortForwardRequest, runtime::v1::PortForwardResponse>(
          services_, *request),
      response);
}

}  // namespace gantry::cri
