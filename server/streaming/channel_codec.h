// Kubernetes' channels over WebSocket messages (subprotocols channel.k8s.io,
// base64.channel.k8s.io, their v4 forms and v5.channel.k8s.io): the first byte
// of a message is the number of a channel, the rest is its data. In the base64
// forms it is a digit, and the data is base64.
//
// Channels are there from the beginning and have a fixed direction. Only v5 can
// end one: 255 and the channel's number. There is no flow control.
// Thread safety: none. Nothing blocks.

#ifndef GANTRY_SERVER_STREAMING_CHANNEL_CODEC_H_
#define GANTRY_SERVER_STREAMING_CHANNEL_CODEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/streaming/stream_codec.h"

namespace gantry::streaming {

inline constexpr uint8_t kCloseChannel = 255;
// Of one message in base64, which is kept until it is whole.
inline constexpr size_t kMaxBase64Message = 256 << 10;

struct Channel {
  // As which stream it is told to the session; without headers it is a number
  // that is not used.
  StreamHeaders headers;
  bool from_client = false;
  bool to_client = false;
  // Sent at once, also if it is empty.
  bool greets = false;
  std::string greeting;
};

struct ChannelFormat {
  bool base64 = false;
  // v5: the client may end a channel.
  bool can_close = false;
};

class ChannelCodec : public StreamCodec {
 public:
  // `events` must outlive this. A stream's id is its channel's number.
  ChannelCodec(StreamEvents& events, Sink sink, ChannelFormat format,
               std::vector<Channel> channels);

  void Open() override;
  absl::Status Receive(absl::string_view bytes, bool end_of_message) override;
  void Write(StreamId id, absl::string_view data) override;
  void End(StreamId id) override;
  void Reset(StreamId id) override;
  void Consumed(StreamId, size_t) override {}

 private:
  struct State {
    Channel channel;
    bool they_ended = false;
    bool we_ended = false;
  };

  void Send(StreamId id, absl::string_view data);
  absl::Status ReceiveBase64(absl::string_view bytes, bool end_of_message);
  void Deliver(absl::string_view data);

  StreamEvents& events_;
  const Sink sink_;
  const ChannelFormat format_;
  std::vector<State> channels_;
  // Of the message that is coming in.
  bool in_message_ = false;
  uint8_t current_ = 0;
  std::string base64_;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_CHANNEL_CODEC_H_
