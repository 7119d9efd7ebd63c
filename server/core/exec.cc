#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "proto/shim.pb.h"
#include "runtime/base/id.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/pipe.h"
#include "server/core/exec_service.h"
#include "server/core/running_shim.h"
#include "server/shim/output_collector.h"

namespace gantry::core {
namespace {

using shim_client::OutputCollector;

// The two outputs of a program, read while it runs.
struct Outputs {
  std::unique_ptr<OutputCollector> out;
  std::unique_ptr<OutputCollector> err;
};

absl::StatusOr<std::unique_ptr<OutputCollector>> Collect(
    Node& node, std::vector<UniqueFd>& for_program) {
  ASSIGN_OR_RETURN(sys::Pipe pipe, sys::MakePipe());
  for_program.push_back(std::move(pipe.write));
  return OutputCollector::Start(node.loop, node.executor, std::move(pipe.read),
                                kExecOutputLimit);
}

shim::ExecRequest MakeRequest(const std::vector<std::string>& args) {
  shim::ExecRequest request;
  request.set_exec_id(NewId());
  request.mutable_args()->Assign(args.begin(), args.end());
  request.set_has_stdout(true);
  request.set_has_stderr(true);
  return request;
}

// Kills the program and all it started once it has taken too long.
work::Task<void> KillExec(Shims::Ptr shim, std::string exec_id) {
  absl::Status killed =
      co_await shim->ExecSignal(exec_id, SIGKILL, /*tree=*/true);
  LOG_IF(WARNING, !killed.ok() && !absl::IsNotFound(killed))
      << "kill exec " << exec_id << " after its timeout: " << killed;
}

}  // namespace

work::Task<absl::StatusOr<ExecResult>> ExecService::ExecSync(
    std::string container_id, std::vector<std::string> args,
    absl::Duration timeout, StepScope steps) {
  CO_ASSIGN_OR_RETURN(ContainerPtr container,
                      node_.containers.Get(container_id));
  const std::string what = absl::StrCat("exec in container ", container->id());
  CO_ASSIGN_OR_RETURN(Shims::Ptr shim, RunningShim(node_, *container), what);

  // 1. The pipes are ours: what the program writes does not pass the shim.
  StepSpan step(steps, "make pipes");
  std::vector<UniqueFd> for_program;
  Outputs outputs;
  CO_ASSIGN_OR_RETURN(outputs.out, Collect(node_, for_program));
  CO_ASSIGN_OR_RETURN(outputs.err, Collect(node_, for_program));

  // 2. The clock runs from before the start.
  step.Next("start the program");
  shim::ExecRequest request = MakeRequest(args);
  const std::string exec_id = request.exec_id();
  work::OneShot<bool> late(node_.executor);
  work::Timeout timer;
  if (timeout > absl::ZeroDuration()) {
    Node& node = node_;
    timer = node_.loop.SetTimeout(timeout, [late, &node, shim, exec_id] {
      if (late.Set(true)) node.tasks.Start(KillExec(shim, exec_id));
    });
  }
  absl::StatusOr<shim_client::ExecStartedResult> started =
      co_await shim->Exec(std::move(request), std::move(for_program));
  CO_RETURN_IF_ERROR(started) << what;

  // The time may have passed before there was anything to kill.
  if (late.IsSet()) co_await KillExec(shim, exec_id);

  // 3. Its end. What a child of it may still write is not waited for.
  step.Next("run the program");
  absl::StatusOr<int> exit_code = co_await shim->WaitExec(exec_id);
  // Claims the shot, so that a timer that fires from now on kills nobody.
  const bool was_late = !late.Set(false);
  step.Next("collect its output");
  outputs.out->FinishNow();
  outputs.err->FinishNow();
  shim_client::Collected out = co_await outputs.out->Wait();
  shim_client::Collected err = co_await outputs.err->Wait();
  if (was_late) {
    co_return absl::DeadlineExceededError(
        absl::StrCat(what, ": timed out after ", absl::FormatDuration(timeout),
                     " and was killed"));
  }
  CO_RETURN_IF_ERROR(exit_code) << what;
  for (const absl::Status& lost : {out.failure, err.failure}) {
    CO_RETURN_IF_ERROR(lost)
        << what << ": it ended with " << *exit_code << ", its output is lost";
  }
  ExecResult result;
  result.exit_code = *exit_code;
  result.stdout_data = std::move(out.data);
  result.stderr_data = std::move(err.data);
  co_return result;
}

}  // namespace gantry::core
