#include "server/streaming/remote_command.h"

#include <fcntl.h>

#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "server/streaming/stream_status.h"

namespace gantry::streaming {
namespace {

// For the client to open all its streams.
constexpr std::chrono::seconds kCreationTime{30};

}  // namespace

RemoteCommand::RemoteCommand(core::StreamService& service,
                             core::WantedStreams wanted, const Upgrade& upgrade)
    : service_(service),
      wanted_(wanted),
      status_as_json_(upgrade.status_as_json),
      needs_resize_(wanted.terminal && upgrade.has_resize) {}

void RemoteCommand::Start(Link& link) {
  link_ = &link;
  io_ = &link.io();
  creation_.emplace(*io_);
  creation_->expires_after(kCreationTime);
  creation_->async_wait(
      [weak = weak_from_this()](boost::system::error_code cancelled) {
        auto self = weak.lock();
        if (cancelled || self == nullptr || self->gone() || self->begun_) {
          return;
        }
        LOG(INFO) << "streaming: a client did not open its streams";
        self->link_->Abort();
      });
  MakeInput();
}

void RemoteCommand::MakeInput() {
  in_pump_ = std::make_shared<InputPump>(
      *io_, InputPump::Callbacks{
                .hold =
                    [this](bool hold) {
                      if (link_ == nullptr) return;
                      hold ? link_->HoldInput() : link_->ReleaseInput();
                    },
                .consumed =
                    [this](size_t size) {
                      if (link_ == nullptr || !in_.has_value()) return;
                      link_->streams().Consumed(*in_, size);
                    },
                .broken =
                    [this](const absl::Status& why) {
                      if (why.ok()) {
                        OnInputBroken();
                      } else {
                        Lose(Annotate(why, "the program's input is lost"));
                      }
                    },
                .ended = nullptr,
            });
}

RemoteCommand::Slot* RemoteCommand::SlotOf(absl::string_view type) {
  if (type == "error") return &error_;
  if (type == "stdin") return &in_;
  if (type == "stdout") return &out_;
  if (type == "stderr") return &err_;
  if (type == "resize") return &resize_;
  return nullptr;
}

bool RemoteCommand::AllThere() const {
  return error_.has_value() && (!wanted_.in || in_.has_value()) &&
         (!wanted_.out || out_.has_value()) &&
         (!wanted_.err || err_.has_value()) &&
         (!needs_resize_ || resize_.has_value());
}

absl::Status RemoteCommand::OnOpen(StreamId id, const StreamHeaders& headers) {
  const std::string type = HeaderOf(headers, kStreamTypeHeader);
  Slot* slot = SlotOf(type);
  if (slot == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("stream type \"", type, "\" is not known"));
  }
  if (slot->has_value()) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a stream of type ", type, " already"));
  }
  *slot = id;
  if (!begun_ && AllThere()) {
    begun_ = true;
    creation_->cancel();
    Begin();
  }
  return absl::OkStatus();
}

void RemoteCommand::OnData(StreamId id, absl::string_view data) {
  if (gone()) return;
  if (id == in_ && wanted_.in) {
    in_pump_->Write(data);
    return;
  }
  link_->streams().Consumed(id, data.size());
  if (id != resize_ || !wanted_.terminal) return;
  if (std::optional<TerminalSize> size = sizes_.Feed(data)) OnSize(*size);
}

void RemoteCommand::OnEnd(StreamId id) {
  if (!gone() && id == in_) in_pump_->End();
}

void RemoteCommand::OnReset(StreamId id) {
  if (gone()) return;
  if (id == in_) {
    in_pump_->End();
  } else if (id == error_) {
    // Nobody is there any more to be told the end.
    link_->Abort();
  }
  // An output that is reset swallows what is written to it.
}

void RemoteCommand::OnRoom() {
  if (out_pump_ != nullptr) out_pump_->OnRoom();
  if (err_pump_ != nullptr) err_pump_->OnRoom();
}

void RemoteCommand::Carry(core::ProcessStreams streams) {
  if (streams.terminal.valid()) {
    // One descriptor for each direction; both go for the terminal to hang up.
    streams.out = UniqueFd(
        ::fcntl(streams.terminal.get(), F_DUPFD_CLOEXEC, /*at least*/ 3));
    streams.in = std::move(streams.terminal);
  }
  const bool has_out = streams.out.valid();
  const bool has_err = streams.err.valid();
  outputs_open_ = (has_out ? 1 : 0) + (has_err ? 1 : 0);
  if (has_out) out_pump_ = MakeOutput(std::move(streams.out), out_);
  if (has_err) err_pump_ = MakeOutput(std::move(streams.err), err_);
  if (streams.in.valid()) in_pump_->Start(std::move(streams.in));
  if (out_pump_ != nullptr) out_pump_->Start();
  if (err_pump_ != nullptr) err_pump_->Start();
}

std::shared_ptr<OutputPump> RemoteCommand::MakeOutput(UniqueFd fd, Slot slot) {
  return std::make_shared<OutputPump>(
      *io_, std::move(fd),
      OutputPump::Callbacks{
          .has_room = [this] { return gone() || link_->HasRoom(); },
          .deliver =
              [this, slot](absl::string_view data) {
                if (gone() || !slot.has_value()) return;
                link_->streams().Write(*slot, data);
              },
          .ended = [this, slot](
                       const absl::Status& end) { OnOutputEnded(slot, end); }});
}

void RemoteCommand::Lose(const absl::Status& why) {
  if (gone()) return;
  LOG(WARNING) << "streaming: " << why;
  Finish(why);
  Abandon();
}

void RemoteCommand::OnOutputEnded(Slot slot, const absl::Status& end) {
  if (!end.ok()) {
    Lose(Annotate(end, "the program's output is lost"));
    return;
  }
  if (!gone() && slot.has_value()) link_->streams().End(*slot);
  if (--outputs_open_ == 0) OnOutputsEnded();
}

void RemoteCommand::DrainOutputs() {
  if (out_pump_ != nullptr) out_pump_->Drain();
  if (err_pump_ != nullptr) err_pump_->Drain();
}

void RemoteCommand::Finish(const absl::StatusOr<int>& exit_code) {
  if (gone() || std::exchange(finished_, true)) return;
  Link& link = *link_;
  const std::string status = StreamStatus(exit_code, status_as_json_);
  link.streams().Write(*error_, status);
  for (const Slot& slot : {out_, err_, error_, in_, resize_}) {
    if (slot.has_value()) link.streams().End(*slot);
  }
  CloseAll();
  link.Finish();
}

void RemoteCommand::CloseAll() {
  creation_->cancel();
  if (in_pump_ != nullptr) in_pump_->Close();
  if (out_pump_ != nullptr) out_pump_->Close();
  if (err_pump_ != nullptr) err_pump_->Close();
}

void RemoteCommand::OnGone() {
  CloseAll();
  link_ = nullptr;
  if (!finished_) Abandon();
}

}  // namespace gantry::streaming
