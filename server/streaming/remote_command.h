// What exec and attach have in common: the client's five streams (error, stdin,
// stdout, stderr, resize), the pumps of three of them, and the last word on the
// error stream.
//
// Thread safety: none; all on the streaming thread.

#ifndef GANTRY_SERVER_STREAMING_REMOTE_COMMAND_H_
#define GANTRY_SERVER_STREAMING_REMOTE_COMMAND_H_

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "boost/asio/steady_timer.hpp"
#include "server/core/stream_request.h"
#include "server/core/stream_service.h"
#include "server/streaming/pump.h"
#include "server/streaming/session.h"
#include "server/streaming/terminal_size.h"
#include "server/streaming/upgrade.h"

namespace gantry::streaming {

class RemoteCommand : public Session,
                      public std::enable_shared_from_this<RemoteCommand> {
 public:
  // `service` must outlive this and the tasks it starts.
  RemoteCommand(core::StreamService& service, core::WantedStreams wanted,
                const Upgrade& upgrade);

  void Start(Link& link) final;
  void OnRoom() final;
  void OnGone() final;
  absl::Status OnOpen(StreamId id, const StreamHeaders& headers) final;
  void OnData(StreamId id, absl::string_view data) final;
  void OnEnd(StreamId id) final;
  void OnReset(StreamId id) final;

 protected:
  // All streams that the client shall open are there.
  virtual void Begin() = 0;
  virtual void OnSize(TerminalSize size) = 0;
  // Every output has come to its end.
  virtual void OnOutputsEnded() = 0;
  // Nobody reads the input any more.
  virtual void OnInputBroken() = 0;
  // The client has gone before Finish, or is told an error while it runs:
  // whatever runs for it shall end.
  virtual void Abandon() = 0;

  // Connects the client's streams with these. Not if gone().
  void Carry(core::ProcessStreams streams);
  // The program has ended: what it wrote is all there is to come.
  void DrainOutputs();
  // Tells the client how it ended and closes.
  void Finish(const absl::StatusOr<int>& exit_code);

  bool gone() const { return link_ == nullptr; }
  // Some output has not come to its end.
  bool has_outputs() const { return outputs_open_ > 0; }
  const core::WantedStreams& wanted() const { return wanted_; }
  core::StreamService& service() { return service_; }
  boost::asio::io_context& io() { return *io_; }

 private:
  using Slot = std::optional<StreamId>;

  Slot* SlotOf(absl::string_view type);
  bool AllThere() const;
  void MakeInput();
  std::shared_ptr<OutputPump> MakeOutput(UniqueFd fd, Slot slot);
  void OnOutputEnded(Slot slot, const absl::Status& end);
  // Some of what passes through has been lost: ends it and says so.
  void Lose(const absl::Status& why);
  void CloseAll();

  core::StreamService& service_;
  const core::WantedStreams wanted_;
  const bool status_as_json_;
  const bool needs_resize_;

  // Null once the connection has ended.
  Link* link_ = nullptr;
  boost::asio::io_context* io_ = nullptr;
  std::optional<boost::asio::steady_timer> creation_;
  bool begun_ = false;
  bool finished_ = false;

  Slot error_;
  Slot in_;
  Slot out_;
  Slot err_;
  Slot resize_;
  TerminalSizeReader sizes_;
  std::shared_ptr<InputPump> in_pump_;
  std::shared_ptr<OutputPump> out_pump_;
  std::shared_ptr<OutputPump> err_pump_;
  int outputs_open_ = 0;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_REMOTE_COMMAND_H_
