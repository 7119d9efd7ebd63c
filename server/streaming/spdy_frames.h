// Frames of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00, section 2.2): writing
// them, and cutting a stream of bytes into them.
//
//   control: 1 bit 1 | 15 bits version 3 | 16 bits type | 8 bits flags |
//            24 bits length | payload
//   data:    1 bit 0 | 31 bits stream    | 8 bits flags | 24 bits length |
//   bytes
//
// Numbers are in network order. Pure: no I/O. Thread safety: none.

#ifndef GANTRY_SERVER_STREAMING_SPDY_FRAMES_H_
#define GANTRY_SERVER_STREAMING_SPDY_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/streaming/stream_codec.h"

namespace gantry::streaming {

enum class SpdyType : uint16_t {
  kSynStream = 1,
  kSynReply = 2,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kHeaders = 8,
  kWindowUpdate = 9,
};

inline constexpr uint8_t kSpdyFin = 0x01;
inline constexpr StreamId kMaxStreamId = 0x7fffffff;
// Of a control frame: larger ones end the connection before they are stored.
inline constexpr size_t kMaxControlPayload = 16 << 10;

// Codes of RST_STREAM.
inline constexpr uint32_t kSpdyProtocolError = 1;
inline constexpr uint32_t kSpdyRefusedStream = 3;
inline constexpr uint32_t kSpdyCancel = 5;

void AppendUint32(std::string& bytes, uint32_t number);
uint32_t ReadUint32(const char* bytes);

std::string ControlFrame(SpdyType type, uint8_t flags,
                         absl::string_view payload);
// `data`: less than 16 MiB.
std::string DataFrame(StreamId id, absl::string_view data, bool fin);

// `block`: of SpdyHeaderWriter.
std::string SynStreamFrame(StreamId id, absl::string_view block, bool fin);
std::string SynReplyFrame(StreamId id, absl::string_view block);
std::string RstStreamFrame(StreamId id, uint32_t code);
std::string PingFrame(uint32_t id);
std::string WindowUpdateFrame(StreamId id, uint32_t delta);

// Finds the frames in a stream of bytes. Data is passed on as it comes, so that
// a frame of data may have any length; a control frame is kept until it is
// whole.
class SpdyFrameReader {
 public:
  class Visitor {
   public:
    virtual ~Visitor() = default;
    virtual absl::Status OnControl(SpdyType type, uint8_t flags,
                                   absl::string_view payload) = 0;
    // A part of a frame. `end`: the last of a frame that ends the stream.
    virtual void OnStreamData(StreamId id, absl::string_view data,
                              bool end) = 0;
  };

  explicit SpdyFrameReader(Visitor& visitor) : visitor_(visitor) {}

  // INVALID_ARGUMENT for another version, RESOURCE_EXHAUSTED for a control
  // frame that is too large, and what the visitor says; after that no more.
  absl::Status Feed(absl::string_view bytes);

 private:
  // Each takes what it can off `bytes`.
  absl::Status FeedHeader(absl::string_view& bytes);
  absl::Status FeedControl(absl::string_view& bytes);
  void FeedData(absl::string_view& bytes);

  Visitor& visitor_;
  // The eight bytes before a payload, as far as they have come; then the
  // payload of a control frame.
  std::string partial_;
  bool in_payload_ = false;
  bool is_control_ = false;
  SpdyType type_ = SpdyType::kPing;
  StreamId stream_ = 0;
  uint8_t flags_ = 0;
  // Of the payload, still to come.
  size_t missing_ = 0;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_SPDY_FRAMES_H_
