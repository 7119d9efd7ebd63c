#include "server/streaming/channel_codec.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::streaming {

ChannelCodec::ChannelCodec(StreamEvents& events, Sink sink,
                           ChannelFormat format, std::vector<Channel> channels)
    : events_(events), sink_(std::move(sink)), format_(format) {
  for (Channel& channel : channels) {
    channels_.push_back(State{std::move(channel)});
  }
}

void ChannelCodec::Open() {
  for (StreamId id = 0; id < channels_.size(); ++id) {
    const Channel& channel = channels_[id].channel;
    if (channel.greets) Send(id, channel.greeting);
  }
  for (StreamId id = 0; id < channels_.size(); ++id) {
    State& state = channels_[id];
    if (state.channel.headers.empty()) continue;
    if (!events_.OnOpen(id, state.channel.headers).ok()) {
      state.they_ended = true;
      state.we_ended = true;
    }
  }
}

absl::Status ChannelCodec::Receive(absl::string_view bytes,
                                   bool end_of_message) {
  if (format_.base64) return ReceiveBase64(bytes, end_of_message);
  if (!in_message_) {
    // An empty message is nothing.
    if (bytes.empty()) return absl::OkStatus();
    current_ = static_cast<uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    in_message_ = true;
  }
  Deliver(bytes);
  in_message_ = !end_of_message;
  return absl::OkStatus();
}

absl::Status ChannelCodec::ReceiveBase64(absl::string_view bytes,
                                         bool end_of_message) {
  if (base64_.size() + bytes.size() > kMaxBase64Message) {
    return absl::ResourceExhaustedError(
        "websocket: a base64 message larger than 256 KiB");
  }
  base64_.append(bytes.data(), bytes.size());
  if (!end_of_message) return absl::OkStatus();
  std::string message;
  message.swap(base64_);
  if (message.empty()) return absl::OkStatus();
  if (message[0] < '0' || message[0] > '9') {
    return absl::InvalidArgumentError(
        "websocket: a base64 message begins with no channel");
  }
  current_ = static_cast<uint8_t>(message[0] - '0');
  std::string data;
  if (!absl::Base64Unescape(absl::string_view(message).substr(1), &data)) {
    return absl::InvalidArgumentError("websocket: a message is not base64");
  }
  Deliver(data);
  return absl::OkStatus();
}

void ChannelCodec::Deliver(absl::string_view data) {
  StreamId id = current_;
  const bool close = format_.can_close && id == kCloseChannel;
  if (close) {
    if (data.empty()) return;
    id = static_cast<uint8_t>(data[0]);
  }
  // What belongs to no channel is ignored, as Kubernetes' servers do.
  if (id >= channels_.size()) return;
  State& state = channels_[id];
  if (!state.channel.from_client || state.they_ended) return;
  if (close) {
    state.they_ended = true;
    events_.OnEnd(id);
  } else if (!data.empty()) {
    events_.OnData(id, data);
  }
}

void ChannelCodec::Send(StreamId id, absl::string_view data) {
  if (format_.base64) {
    sink_(absl::StrCat(std::string(1, static_cast<char>('0' + id)),
                       absl::Base64Escape(data)));
    return;
  }
  std::string message;
  message.reserve(data.size() + 1);
  message.push_back(static_cast<char>(id));
  message.append(data.data(), data.size());
  sink_(std::move(message));
}

void ChannelCodec::Write(StreamId id, absl::string_view data) {
  if (id >= channels_.size() || data.empty()) return;
  const State& state = channels_[id];
  if (state.channel.to_client && !state.we_ended) Send(id, data);
}

void ChannelCodec::End(StreamId id) {
  // The protocol has no word for it: the connection's end is the end.
  if (id < channels_.size()) channels_[id].we_ended = true;
}

void ChannelCodec::Reset(StreamId id) {
  if (id >= channels_.size()) return;
  channels_[id].we_ended = true;
  channels_[id].they_ended = true;
}

}  // namespace gantry::streaming
