#include "server/streaming/spdy_frames.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::streaming {
namespace {

constexpr size_t kFrameHeader = 8;
constexpr uint32_t kControlBit = 0x80000000;
constexpr uint32_t kVersion = 3;
constexpr uint32_t kLengthMask = 0x00ffffff;

}  // namespace

void AppendUint32(std::string& bytes, uint32_t number) {
  const char big_endian[] = {
      static_cast<char>(number >> 24), static_cast<char>(number >> 16),
      static_cast<char>(number >> 8), static_cast<char>(number)};
  bytes.append(big_endian, sizeof(big_endian));
}

uint32_t ReadUint32(const char* bytes) {
  uint32_t number = 0;
  for (int i = 0; i < 4; ++i) {
    number = number << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return number;
}

std::string ControlFrame(SpdyType type, uint8_t flags,
                         absl::string_view payload) {
  std::string frame;
  frame.reserve(kFrameHeader + payload.size());
  AppendUint32(frame,
               kControlBit | kVersion << 16 | static_cast<uint32_t>(type));
  AppendUint32(frame,
               uint32_t{flags} << 24 |
                   (static_cast<uint32_t>(payload.size()) & kLengthMask));
  frame.append(payload.data(), payload.size());
  return frame;
}

std::string DataFrame(StreamId id, absl::string_view data, bool fin) {
  std::string frame;
  frame.reserve(kFrameHeader + data.size());
  AppendUint32(frame, id & kMaxStreamId);
  AppendUint32(frame, uint32_t{fin ? kSpdyFin : uint8_t{0}} << 24 |
                          (static_cast<uint32_t>(data.size()) & kLengthMask));
  frame.append(data.data(), data.size());
  return frame;
}

std::string SynStreamFrame(StreamId id, absl::string_view block, bool fin) {
  std::string payload;
  AppendUint32(payload, id);
  AppendUint32(payload, 0);  // associated stream
  payload.append(2, '\0');   // priority, slot
  payload.append(block.data(), block.size());
  return ControlFrame(SpdyType::kSynStream, fin ? kSpdyFin : 0, payload);
}

std::string SynReplyFrame(StreamId id, absl::string_view block) {
  std::string payload;
  AppendUint32(payload, id);
  payload.append(block.data(), block.size());
  return ControlFrame(SpdyType::kSynReply, 0, payload);
}

std::string RstStreamFrame(StreamId id, uint32_t code) {
  std::string payload;
  AppendUint32(payload, id);
  AppendUint32(payload, code);
  return ControlFrame(SpdyType::kRstStream, 0, payload);
}

std::string PingFrame(uint32_t id) {
  std::string payload;
  AppendUint32(payload, id);
  return ControlFrame(SpdyType::kPing, 0, payload);
}

std::string WindowUpdateFrame(StreamId id, uint32_t delta) {
  std::string payload;
  AppendUint32(payload, id);
  AppendUint32(payload, delta);
  return ControlFrame(SpdyType::kWindowUpdate, 0, payload);
}

absl::Status SpdyFrameReader::Feed(absl::string_view bytes) {
  while (!bytes.empty()) {
    if (!in_payload_) {
      RETURN_IF_ERROR(FeedHeader(bytes));
    } else if (is_control_) {
      RETURN_IF_ERROR(FeedControl(bytes));
    } else {
      FeedData(bytes);
    }
  }
  return absl::OkStatus();
}

absl::Status SpdyFrameReader::FeedHeader(absl::string_view& bytes) {
  const size_t taken = std::min(bytes.size(), kFrameHeader - partial_.size());
  partial_.append(bytes.data(), taken);
  bytes.remove_prefix(taken);
  if (partial_.size() < kFrameHeader) return absl::OkStatus();
  const uint32_t first = ReadUint32(partial_.data());
  const uint32_t second = ReadUint32(partial_.data() + 4);
  partial_.clear();
  in_payload_ = true;
  flags_ = static_cast<uint8_t>(second >> 24);
  missing_ = second & kLengthMask;
  is_control_ = (first & kControlBit) != 0;
  // What has no payload is whole already.
  absl::string_view nothing;
  if (!is_control_) {
    stream_ = first & kMaxStreamId;
    if (missing_ == 0) FeedData(nothing);
    return absl::OkStatus();
  }
  if (const uint32_t version = (first & ~kControlBit) >> 16;
      version != kVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("spdy: a control frame of version ", version));
  }
  if (missing_ > kMaxControlPayload) {
    return absl::ResourceExhaustedError(
        absl::StrCat("spdy: a control frame of ", missing_, " bytes"));
  }
  type_ = static_cast<SpdyType>(first & 0xffff);
  return missing_ == 0 ? FeedControl(nothing) : absl::OkStatus();
}

absl::Status SpdyFrameReader::FeedControl(absl::string_view& bytes) {
  const size_t taken = std::min(bytes.size(), missing_);
  partial_.append(bytes.data(), taken);
  bytes.remove_prefix(taken);
  missing_ -= taken;
  if (missing_ > 0) return absl::OkStatus();
  in_payload_ = false;
  std::string payload;
  payload.swap(partial_);
  return visitor_.OnControl(type_, flags_, payload);
}

void SpdyFrameReader::FeedData(absl::string_view& bytes) {
  const absl::string_view data = bytes.substr(0, missing_);
  bytes.remove_prefix(data.size());
  missing_ -= data.size();
  if (missing_ == 0) in_payload_ = false;
  visitor_.OnStreamData(stream_, data,
                        missing_ == 0 && (flags_ & kSpdyFin) != 0);
}

}  // namespace gantry::streaming
