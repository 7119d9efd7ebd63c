// What clients of the streaming server may send: SPDY/3.1 frames (first byte
// even) or WebSocket messages of channels (odd; 3, 7, ...: in base64). The
// second byte says in pieces of which length it arrives.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "server/core/stream_request.h"
#include "server/streaming/channel_codec.h"
#include "server/streaming/channel_sets.h"
#include "server/streaming/spdy_codec.h"
#include "server/streaming/terminal_size.h"

namespace gantry::streaming {
namespace {

// Answers everything, as a session would, and bounds what it is told.
class Echo : public StreamEvents {
 public:
  explicit Echo(size_t input) : most_(input) {}
  absl::Status OnOpen(StreamId id, const StreamHeaders& headers) override {
    if (HeaderOf(headers, kStreamTypeHeader).empty()) {
      return absl::InvalidArgumentError("no type");
    }
    codec->Write(id, "hello");
    return absl::OkStatus();
  }
  void OnData(StreamId id, absl::string_view data) override {
    told_ += data.size();
    // Nothing may come out that did not go in.
    if (told_ > most_) std::abort();
    sizes_.Feed(data);
    codec->Write(id, data);
    codec->Consumed(id, data.size());
  }
  void OnEnd(StreamId id) override { codec->End(id); }
  void OnReset(StreamId id) override { codec->Write(id, "nobody"); }

  StreamCodec* codec = nullptr;

 private:
  const size_t most_;
  size_t told_ = 0;
  TerminalSizeReader sizes_;
};

void Feed(uint8_t kind, size_t piece, absl::string_view input) {
  Echo events(input.size());
  auto sink = [](std::string) {};
  std::unique_ptr<StreamCodec> codec;
  if (kind % 2 == 0) {
    codec = std::make_unique<SpdyCodec>(events, sink);
  } else {
    core::ExecStreamRequest request;
    request.streams = {.in = true, .out = true, .err = true};
    codec = std::make_unique<ChannelCodec>(
        events, sink, ChannelFormat{.base64 = kind % 4 == 3, .can_close = true},
        ChannelsFor(request));
  }
  events.codec = codec.get();
  codec->Open();
  while (!input.empty()) {
    const absl::string_view part = input.substr(0, piece);
    input.remove_prefix(part.size());
    if (!codec->Receive(part, /*end_of_message=*/part.size() % 2 == 0).ok()) {
      return;
    }
  }
}

}  // namespace
}  // namespace gantry::streaming

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  gantry::streaming::Feed(
      data[0], size_t{data[1]} + 1,
      absl::string_view(reinterpret_cast<const char*>(data + 2), size - 2));
  return 0;
}
