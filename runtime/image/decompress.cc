#include "runtime/image/decompress.h"

#include <isa-l.h>
#include <zstd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::image {
namespace {

using Bytes = absl::string_view;

constexpr int kMaxWindowLog = 27;  // 128 MiB
constexpr size_t kMagicBytes = 6;

// Hands out first what was read to find the magic.
class Rewound : public ByteSource {
 public:
  Rewound(std::string head, ByteSource* from)
      : head_(std::move(head)), from_(from) {}
  absl::StatusOr<Bytes> Next() override {
    if (!taken_) {
      taken_ = true;
      if (!head_.empty()) return Bytes(head_);
    }
    return from_->Next();
  }

 private:
  std::string head_;
  ByteSource* from_;
  bool taken_ = false;
};

// What the three forms share: the input and the cap on the output.
class Decompressor : public ByteSource {
 public:
  Decompressor(std::string head, ByteSource* from, int64_t max_bytes)
      : from_(std::move(head), from), max_bytes_(max_bytes) {}

  absl::StatusOr<Bytes> Next() final {
    ASSIGN_OR_RETURN(Bytes chunk, Produce());
    total_ += chunk.size();
    if (total_ > max_bytes_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the stream inflates to more than the ", max_bytes_,
                       " bytes allowed"));
    }
    return chunk;
  }

 protected:
  virtual absl::StatusOr<Bytes> Produce() = 0;

  // More input, if there is none left of the last chunk.
  absl::Status Fill() {
    if (!input_.empty() || input_ended_) return absl::OkStatus();
    ASSIGN_OR_RETURN(input_, from_.Next());
    input_ended_ = input_.empty();
    return absl::OkStatus();
  }

  Rewound from_;
  Bytes input_;
  bool input_ended_ = false;

 private:
  int64_t max_bytes_;
  int64_t total_ = 0;
};

class Plain : public Decompressor {
 public:
  using Decompressor::Decompressor;

 protected:
  absl::StatusOr<Bytes> Produce() override { return from_.Next(); }
};

absl::Status Damaged(absl::string_view format, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("damaged ", format, " stream: ", why));
}

class Gzip : public Decompressor {
 public:
  using Decompressor::Decompressor;

 protected:
  absl::StatusOr<Bytes> Produce() override;

 private:
  void BeginMember() {
    isal_inflate_reset(&state_);
    state_.crc_flag = ISAL_GZIP;
    in_member_ = true;
  }

  struct inflate_state state_;
  bool initialised_ = false;
  bool in_member_ = false;
  bool padding_ = false;  // only zero bytes may follow the last member
  std::vector<uint8_t> output_;
};

absl::StatusOr<Bytes> Gzip::Produce() {
  if (!initialised_) {
    isal_inflate_init(&state_);
    output_.resize(kChunkBytes);
    initialised_ = true;
    BeginMember();
  }
  state_.next_out = output_.data();
  state_.avail_out = output_.size();
  while (state_.avail_out > 0) {
    RETURN_IF_ERROR(Fill());
    if (!in_member_) {
      if (input_ended_) break;
      if (input_.front() == 0 || padding_) {
        // tar and dd pad to a block; gzip(1) takes that too.
        padding_ = true;
        const size_t end = input_.find_first_not_of('\0');
        if (end != Bytes::npos) return Damaged("gzip", "garbage at its end");
        input_ = Bytes();
        continue;
      }
      BeginMember();
    }
    state_.next_in =
        reinterpret_cast<uint8_t*>(const_cast<char*>(input_.data()));
    state_.avail_in = input_.size();
    const uint32_t room = state_.avail_out;
    const int result = isal_inflate(&state_);
    // Before avail_in is looked at: after an error it may count bytes of an
    // earlier chunk.
    if (result != ISAL_DECOMP_OK) {
      return Damaged("gzip", result == ISAL_INCORRECT_CHECKSUM
                                 ? "wrong checksum"
                                 : absl::StrCat("error ", result));
    }
    input_.remove_prefix(input_.size() - state_.avail_in);
    if (state_.block_state == ISAL_BLOCK_FINISH) {
      in_member_ = false;
    } else if (input_ended_ && room == state_.avail_out) {
      return Damaged("gzip", "it ends too early");
    }
  }
  return Bytes(reinterpret_cast<char*>(output_.data()),
               output_.size() - state_.avail_out);
}

class Zstd : public Decompressor {
 public:
  Zstd(std::string head, ByteSource* from, int64_t max_bytes)
      : Decompressor(std::move(head), from, max_bytes),
        stream_(ZSTD_createDCtx()) {
    if (stream_ != nullptr) {
      ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kMaxWindowLog);
    }
  }
  ~Zstd() override { ZSTD_freeDCtx(stream_); }

 protected:
  absl::StatusOr<Bytes> Produce() override;

 private:
  ZSTD_DCtx* stream_;
  // What the decoder last said: 0 at the end of a frame.
  size_t hint_ = 1;
  std::vector<char> output_;
};

absl::StatusOr<Bytes> Zstd::Produce() {
  if (stream_ == nullptr) {
    return absl::ResourceExhaustedError("set up zstd");
  }
  output_.resize(kChunkBytes);
  ZSTD_outBuffer out = {output_.data(), output_.size(), 0};
  while (out.pos < out.size) {
    RETURN_IF_ERROR(Fill());
    if (input_ended_ && hint_ == 0) break;
    ZSTD_inBuffer in = {input_.data(), input_.size(), 0};
    const size_t before = out.pos;
    hint_ = ZSTD_decompressStream(stream_, &out, &in);
    if (ZSTD_isError(hint_)) {
      return Damaged("zstd", ZSTD_getErrorName(hint_));
    }
    input_.remove_prefix(in.pos);
    if (input_ended_ && hint_ != 0 && before == out.pos) {
      return Damaged("zstd", "it ends too early");
    }
  }
  return Bytes(output_.data(), out.pos);
}

}  // namespace

absl::StatusOr<Compression> SniffCompression(absl::string_view first_bytes) {
  using absl::StartsWith;
  const auto refused = [](absl::string_view format) {
    return absl::UnimplementedError(
        absl::StrCat(format, " compression is not supported"));
  };
  if (StartsWith(first_bytes, "\x1f\x8b")) return Compression::kGzip;
  if (StartsWith(first_bytes, "\x28\xb5\x2f\xfd")) return Compression::kZstd;
  // A skippable frame, as in seekable and chunked zstd files.
  if (first_bytes.size() >= 4 && (first_bytes[0] & 0xf0) == 0x50 &&
      first_bytes.substr(1, 3) == "\x2a\x4d\x18") {
    return Compression::kZstd;
  }
  if (StartsWith(first_bytes, Bytes("\xfd"
                                    "7zXZ\0",
                                    6)))
    return refused("xz");
  if (StartsWith(first_bytes, "BZh")) return refused("bzip2");
  if (StartsWith(first_bytes, "\x04\x22\x4d\x18")) return refused("lz4");
  return Compression::kNone;
}

absl::StatusOr<std::unique_ptr<ByteSource>> NewDecompressor(ByteSource* from,
                                                            int64_t max_bytes) {
  std::string head;
  while (head.size() < kMagicBytes) {
    ASSIGN_OR_RETURN(Bytes chunk, from->Next());
    if (chunk.empty()) break;
    absl::StrAppend(&head, chunk);
  }
  ASSIGN_OR_RETURN(Compression compression, SniffCompression(head));
  switch (compression) {
    case Compression::kGzip:
      return std::make_unique<Gzip>(std::move(head), from, max_bytes);
    case Compression::kZstd:
      return std::make_unique<Zstd>(std::move(head), from, max_bytes);
    case Compression::kNone:
      break;
  }
  return std::make_unique<Plain>(std::move(head), from, max_bytes);
}

}  // namespace gantry::image
