// Programs run beside a container's own.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "runtime/base/status.h"
#include "server/cri/call.h"
#include "server/cri/check.h"
#include "server/cri/runtime_rpcs.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::ExecSyncResponse;

absl::Status Check(const runtime::v1::ExecSyncRequest& request) {
  if (request.cmd().empty() || request.cmd(0).empty()) {
    return BadField("cmd", "names no program");
  }
  for (int i = 0; i < request.cmd_size(); ++i) {
    RETURN_IF_ERROR(CheckNoNul(At("cmd", i), request.cmd(i)));
  }
  if (request.timeout() >= 0) return absl::OkStatus();
  return BadField(
      "timeout", absl::StrCat("expected 0 or more, found ", request.timeout()));
}

work::Task<absl::StatusOr<ExecSyncResponse>> RunToItsEnd(
    Services& services, const runtime::v1::ExecSyncRequest* request,
    core::StepScope steps) {
  CO_RETURN_IF_ERROR(Check(*request));
  // Not a pause: it is no container of the client.
  CO_ASSIGN_OR_RETURN(core::ContainerPtr container,
                      services.containers.Get(request->container_id()));
  std::vector<std::string> args(request->cmd().begin(), request->cmd().end());
  std::string id = container->id();
  const absl::Duration timeout = absl::Seconds(request->timeout());
  CO_ASSIGN_OR_RETURN(core::ExecResult result,
                      co_await services.exec.ExecSync(
                          std::move(id), std::move(args), timeout, steps));
  ExecSyncResponse response;
  response.set_stdout(std::move(result.stdout_data));
  response.set_stderr(std::move(result.stderr_data));
  response.set_exit_code(result.exit_code);
  co_return response;
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeRpcs::ExecSync(
    grpc::CallbackServerContext* context,
    const runtime::v1::ExecSyncRequest* request,
    runtime::v1::ExecSyncResponse* response) {
  CallName call = Watched(services_.node, "ExecSync", request->container_id());
  auto task = RunToItsEnd(services_, request, {call.steps.get()});
  return AnswerLater(services_.node.tasks, context, std::move(call),
                     std::move(task), response);
}

}  // namespace gantry::cri
