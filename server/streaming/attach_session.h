// One attach: a client at the streams of a container's own program. The
// container does not notice when it goes, unless its input is to end with the
// first client (stdin_once).

#ifndef GANTRY_SERVER_STREAMING_ATTACH_SESSION_H_
#define GANTRY_SERVER_STREAMING_ATTACH_SESSION_H_

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "server/streaming/remote_command.h"

namespace gantry::streaming {

class AttachSession final : public RemoteCommand {
 public:
  AttachSession(core::StreamService& service, core::AttachRequest request,
                const Upgrade& upgrade);

 private:
  static work::Task<void> Run(std::shared_ptr<AttachSession> self,
                              core::StreamService& service,
                              boost::asio::io_context& io,
                              core::AttachRequest request);
  static work::Task<void> Resize(std::shared_ptr<AttachSession> self,
                                 core::StreamService& service,
                                 boost::asio::io_context& io,
                                 TerminalSize size);

  void Begin() override;
  void OnSize(TerminalSize size) override;
  // The container has ended, or its shim dropped a client that was too slow.
  void OnOutputsEnded() override { Finish(0); }
  void OnInputBroken() override;
  // Its pipes are closed already: that is all there is to it.
  void Abandon() override {}

  void OnAttached(absl::StatusOr<core::ProcessStreams> streams);
  void OnResized();

  const core::AttachRequest request_;
  bool has_outputs_ = false;
  // One resize at a time; of those that come meanwhile the newest counts.
  bool resizing_ = false;
  std::optional<TerminalSize> next_size_;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_ATTACH_SESSION_H_
