// One exec: a program that runs beside a container's own as long as its client
// is connected.
//
// A client that goes before the program's end takes it along: its terminal
// hangs up, then it and all it started are killed.

#ifndef GANTRY_SERVER_STREAMING_EXEC_SESSION_H_
#define GANTRY_SERVER_STREAMING_EXEC_SESSION_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/streaming/remote_command.h"

namespace gantry::streaming {

class ExecSession final : public RemoteCommand {
 public:
  ExecSession(core::StreamService& service, core::ExecStreamRequest request,
              const Upgrade& upgrade);

 private:
  // The whole life of the program, as a task of the server; tells the session
  // on the streaming thread.
  static work::Task<void> Run(std::shared_ptr<ExecSession> self,
                              core::StreamService& service,
                              boost::asio::io_context& io,
                              core::ExecStreamRequest request);

  void Begin() override;
  void OnSize(TerminalSize size) override;
  void OnOutputsEnded() override;
  // The program may well run on without it.
  void OnInputBroken() override {}
  void Abandon() override;

  void OnStarted(core::RunningExec exec);
  void OnExited(absl::StatusOr<int> exit_code);
  void MaybeFinish();
  void Kill();

  core::ExecStreamRequest request_;
  // While the program runs.
  core::Shims::Ptr shim_;
  std::string exec_id_;
  // To set its size by.
  UniqueFd terminal_;
  std::optional<TerminalSize> size_;
  bool outputs_ended_ = false;
  std::optional<absl::StatusOr<int>> exit_code_;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_EXEC_SESSION_H_
