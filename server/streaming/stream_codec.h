// What a session sees of the protocol that its client speaks: numbered streams
// that open, carry bytes in order and end, each direction by itself.
//
// A codec is pure: what it is fed comes out as calls of StreamEvents, what it
// is told to send comes out at a Sink. So it is tested without a socket, and
// may lie over another transport than TCP. Thread safety: none; one thread per
// connection. Nothing blocks.

#ifndef GANTRY_SERVER_STREAMING_STREAM_CODEC_H_
#define GANTRY_SERVER_STREAMING_STREAM_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry::streaming {

using StreamId = uint32_t;

// Names are in lower case.
using StreamHeaders = std::map<std::string, std::string>;

inline std::string HeaderOf(const StreamHeaders& headers,
                            const std::string& name) {
  auto header = headers.find(name);
  return header == headers.end() ? std::string() : header->second;
}

// Names and values that Kubernetes' clients give to streams.
inline constexpr char kStreamTypeHeader[] = "streamtype";
inline constexpr char kPortHeader[] = "port";
inline constexpr char kRequestIdHeader[] = "requestid";

// What the client does. Called by Receive and Open of the codec, which may be
// told to send from within.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  // An error refuses the stream: nothing more is told of it.
  virtual absl::Status OnOpen(StreamId id, const StreamHeaders& headers) = 0;
  virtual void OnData(StreamId id, absl::string_view data) = 0;
  // The client will send no more on it.
  virtual void OnEnd(StreamId id) = 0;
  // The stream is gone in both directions.
  virtual void OnReset(StreamId id) = 0;
};

class StreamCodec {
 public:
  // Takes bytes for the client; one call is one message where the transport
  // knows messages.
  using Sink = std::function<void(std::string bytes)>;

  virtual ~StreamCodec() = default;

  // Before anything else: opens the streams that need no asking for.
  virtual void Open() = 0;

  // What the client sent. `end_of_message` is meaningless to a codec over a
  // stream of bytes. An error is the client's fault; the connection must end.
  virtual absl::Status Receive(absl::string_view bytes,
                               bool end_of_message) = 0;

  // To the client. A stream that is not open any more swallows them.
  virtual void Write(StreamId id, absl::string_view data) = 0;
  // Nothing more will be written to it.
  virtual void End(StreamId id) = 0;
  virtual void Reset(StreamId id) = 0;

  // `size` bytes of the stream were used up: the client may send as many again.
  virtual void Consumed(StreamId id, size_t size) = 0;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_STREAM_CODEC_H_
