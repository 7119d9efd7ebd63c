// The server's end of one SPDY/3.1 connection, as far as Kubernetes' clients
// use it: the client opens streams, both sides send data on them.
//
// Flow control: those clients neither keep to a window nor send WINDOW_UPDATE
// (github.com/moby/spdystream), so waiting for one would stand still for ever
// after 64 KiB. What is sent is therefore bounded by the transport's queue
// (Connection::HasRoom), and what is received by not reading on. WINDOW_UPDATE
// is sent for what was used up, for a client that counts.
// Thread safety: none. Nothing blocks.

#ifndef GANTRY_SERVER_STREAMING_SPDY_CODEC_H_
#define GANTRY_SERVER_STREAMING_SPDY_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/streaming/spdy_frames.h"
#include "server/streaming/spdy_headers.h"
#include "server/streaming/stream_codec.h"

namespace gantry::streaming {

// Open at a time; more are refused.
inline constexpr size_t kMaxSpdyStreams = 1024;

class SpdyCodec : public StreamCodec, private SpdyFrameReader::Visitor {
 public:
  // `events` must outlive this.
  SpdyCodec(StreamEvents& events, Sink sink);

  void Open() override {}
  absl::Status Receive(absl::string_view bytes, bool end_of_message) override;
  void Write(StreamId id, absl::string_view data) override;
  void End(StreamId id) override;
  void Reset(StreamId id) override;
  void Consumed(StreamId id, size_t size) override;

  size_t open_streams() const { return streams_.size(); }

 private:
  struct Stream {
    bool they_ended = false;
    bool we_ended = false;
    // Used up, not told to the client yet.
    size_t consumed = 0;
  };
  using Streams = std::map<StreamId, Stream>;

  absl::Status OnControl(SpdyType type, uint8_t flags,
                         absl::string_view payload) override;
  void OnStreamData(StreamId id, absl::string_view data, bool end) override;
  absl::Status OnSynStream(uint8_t flags, absl::string_view payload);
  absl::Status OnMoreHeaders(uint8_t flags, absl::string_view payload);
  absl::Status OnRstStream(absl::string_view payload);
  absl::Status OnGoAway();
  void TheyEnd(StreamId id);
  void ForgetIfOver(Streams::iterator stream);

  StreamEvents& events_;
  const Sink sink_;
  SpdyFrameReader frames_;
  SpdyHeaderReader header_reader_;
  SpdyHeaderWriter header_writer_;
  Streams streams_;
  StreamId newest_ = 0;
  // Of all streams together.
  size_t consumed_ = 0;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_SPDY_CODEC_H_
