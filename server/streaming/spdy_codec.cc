#include "server/streaming/spdy_codec.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::streaming {
namespace {

// Half of the window that a stream, and the connection (stream 0), begins with.
constexpr size_t kTellConsumed = 32 << 10;
constexpr StreamId kWholeConnection = 0;
// Small enough for other streams to have their turn.
constexpr size_t kMaxDataWritten = 32 << 10;

absl::Status CutOff(absl::string_view frame) {
  return absl::InvalidArgumentError(
      absl::StrCat("spdy: a frame ", frame, " is cut off"));
}

}  // namespace

SpdyCodec::SpdyCodec(StreamEvents& events, Sink sink)
    : events_(events), sink_(std::move(sink)), frames_(*this) {}

absl::Status SpdyCodec::Receive(absl::string_view bytes,
                                bool /*end_of_message*/) {
  return frames_.Feed(bytes);
}

absl::Status SpdyCodec::OnControl(SpdyType type, uint8_t flags,
                                  absl::string_view payload) {
  switch (type) {
    case SpdyType::kSynStream:
      return OnSynStream(flags, payload);
    case SpdyType::kSynReply:
    case SpdyType::kHeaders:
      return OnMoreHeaders(flags, payload);
    case SpdyType::kRstStream:
      return OnRstStream(payload);
    case SpdyType::kPing:
      if (payload.size() != 4) return CutOff("PING");
      // Odd: the client's own; even would answer one of ours.
      if (const uint32_t id = ReadUint32(payload.data()); id % 2 == 1) {
        sink_(PingFrame(id));
      }
      return absl::OkStatus();
    case SpdyType::kGoAway:
      return OnGoAway();
    case SpdyType::kSettings:
    case SpdyType::kWindowUpdate:
      return absl::OkStatus();
  }
  // Unknown ones must be ignored.
  return absl::OkStatus();
}

absl::Status SpdyCodec::OnSynStream(uint8_t flags, absl::string_view payload) {
  constexpr size_t kBeforeHeaders = 10;
  if (payload.size() < kBeforeHeaders) return CutOff("SYN_STREAM");
  const StreamId id = ReadUint32(payload.data()) & kMaxStreamId;
  ASSIGN_OR_RETURN(StreamHeaders headers,
                   header_reader_.Read(payload.substr(kBeforeHeaders)));
  if (id % 2 == 0 || id <= newest_) {
    return absl::InvalidArgumentError(
        absl::StrCat("spdy: stream ", id, " cannot be opened after ", newest_));
  }
  newest_ = id;
  if (streams_.size() >= kMaxSpdyStreams) {
    sink_(RstStreamFrame(id, kSpdyRefusedStream));
    return absl::OkStatus();
  }
  streams_.emplace(id, Stream());
  // Before anything that the session may write to it.
  sink_(SynReplyFrame(id, header_writer_.Write({})));
  if (!events_.OnOpen(id, headers).ok()) {
    Reset(id);
  } else if ((flags & kSpdyFin) != 0) {
    TheyEnd(id);
  }
  return absl::OkStatus();
}

absl::Status SpdyCodec::OnMoreHeaders(uint8_t flags,
                                      absl::string_view payload) {
  if (payload.size() < 4) return CutOff("HEADERS");
  const StreamId id = ReadUint32(payload.data()) & kMaxStreamId;
  // Nobody asks for them, but the compressed stream must be kept up with.
  RETURN_IF_ERROR(header_reader_.Read(payload.substr(4)));
  if ((flags & kSpdyFin) != 0) TheyEnd(id);
  return absl::OkStatus();
}

absl::Status SpdyCodec::OnRstStream(absl::string_view payload) {
  if (payload.size() != 8) return CutOff("RST_STREAM");
  const StreamId id = ReadUint32(payload.data()) & kMaxStreamId;
  if (streams_.erase(id) > 0) events_.OnReset(id);
  return absl::OkStatus();
}

absl::Status SpdyCodec::OnGoAway() {
  // Streams that are open go on to their end.
  if (!streams_.empty()) return absl::OkStatus();
  return absl::CancelledError("the client said goodbye");
}

void SpdyCodec::OnStreamData(StreamId id, absl::string_view data, bool end) {
  auto stream = streams_.find(id);
  // On its way when the stream was reset, or after its end.
  if (stream == streams_.end() || stream->second.they_ended) return;
  if (!data.empty()) events_.OnData(id, data);
  if (end) TheyEnd(id);
}

void SpdyCodec::TheyEnd(StreamId id) {
  auto stream = streams_.find(id);
  if (stream == streams_.end() || stream->second.they_ended) return;
  stream->second.they_ended = true;
  ForgetIfOver(stream);
  events_.OnEnd(id);
}

void SpdyCodec::ForgetIfOver(Streams::iterator stream) {
  if (stream->second.they_ended && stream->second.we_ended) {
    streams_.erase(stream);
  }
}

void SpdyCodec::Write(StreamId id, absl::string_view data) {
  auto stream = streams_.find(id);
  if (stream == streams_.end() || stream->second.we_ended) return;
  while (!data.empty()) {
    const absl::string_view piece = data.substr(0, kMaxDataWritten);
    sink_(DataFrame(id, piece, /*fin=*/false));
    data.remove_prefix(piece.size());
  }
}

void SpdyCodec::End(StreamId id) {
  auto stream = streams_.find(id);
  if (stream == streams_.end() || stream->second.we_ended) return;
  stream->second.we_ended = true;
  sink_(DataFrame(id, "", /*fin=*/true));
  ForgetIfOver(stream);
}

void SpdyCodec::Reset(StreamId id) {
  if (streams_.erase(id) > 0) sink_(RstStreamFrame(id, kSpdyCancel));
}

void SpdyCodec::Consumed(StreamId id, size_t size) {
  consumed_ += size;
  if (consumed_ >= kTellConsumed) {
    sink_(WindowUpdateFrame(
        kWholeConnection, static_cast<uint32_t>(std::exchange(consumed_, 0))));
  }
  auto stream = streams_.find(id);
  if (stream == streams_.end() || stream->second.they_ended) return;
  size_t& of_stream = stream->second.consumed;
  of_stream += size;
  if (of_stream >= kTellConsumed) {
    sink_(WindowUpdateFrame(
        id, static_cast<uint32_t>(std::exchange(of_stream, 0))));
  }
}

}  // namespace gantry::streaming
