// Header blocks of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00, section 2.6.10):
// names and values with their lengths, compressed by one zlib stream per
// direction and connection, which begins with a fixed dictionary.
//
// Thread safety: none. Nothing blocks. Memory: 45 KiB for a reader, 16 KiB for
// a writer.

#ifndef GANTRY_SERVER_STREAMING_SPDY_HEADERS_H_
#define GANTRY_SERVER_STREAMING_SPDY_HEADERS_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/streaming/stream_codec.h"

namespace gantry::streaming {

// Of one block, once decompressed.
inline constexpr size_t kMaxHeaderBytes = 16 << 10;
inline constexpr size_t kMaxHeaderCount = 64;

// The dictionary both sides begin with: 1423 bytes.
const std::string& SpdyDictionary();

class SpdyHeaderReader {
 public:
  SpdyHeaderReader();
  ~SpdyHeaderReader();
  SpdyHeaderReader(const SpdyHeaderReader&) = delete;
  SpdyHeaderReader& operator=(const SpdyHeaderReader&) = delete;

  // Every block of the connection must be read, in order. Names come in lower
  // case; of values of one name the first counts. After an error
  // (INVALID_ARGUMENT, RESOURCE_EXHAUSTED) no block can be read any more.
  absl::StatusOr<StreamHeaders> Read(absl::string_view block);

 private:
  absl::StatusOr<std::string> Inflate(absl::string_view block);

  struct State;
  std::unique_ptr<State> state_;
};

class SpdyHeaderWriter {
 public:
  SpdyHeaderWriter();
  ~SpdyHeaderWriter();
  SpdyHeaderWriter(const SpdyHeaderWriter&) = delete;
  SpdyHeaderWriter& operator=(const SpdyHeaderWriter&) = delete;

  // Blocks must be sent in the order they were written.
  std::string Write(const StreamHeaders& headers);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_SPDY_HEADERS_H_
