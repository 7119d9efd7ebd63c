#include "server/streaming/spdy_headers.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "server/streaming/spdy_frames.h"

namespace gantry::streaming {
namespace {

// What the dictionary has with a length before each.
constexpr absl::string_view kWords[] = {"options",
                                        "head",
                                        "post",
                                        "put",
                                        "delete",
                                        "trace",
                                        "accept",
                                        "accept-charset",
                                        "accept-encoding",
                                        "accept-language",
                                        "accept-ranges",
                                        "age",
                                        "allow",
                                        "authorization",
                                        "cache-control",
                                        "connection",
                                        "content-base",
                                        "content-encoding",
                                        "content-language",
                                        "content-length",
                                        "content-location",
                                        "content-md5",
                                        "content-range",
                                        "content-type",
                                        "date",
                                        "etag",
                                        "expect",
                                        "expires",
                                        "from",
                                        "host",
                                        "if-match",
                                        "if-modified-since",
                                        "if-none-match",
                                        "if-range",
                                        "if-unmodified-since",
                                        "last-modified",
                                        "location",
                                        "max-forwards",
                                        "pragma",
                                        "proxy-authenticate",
                                        "proxy-authorization",
                                        "range",
                                        "referer",
                                        "retry-after",
                                        "server",
                                        "te",
                                        "trailer",
                                        "transfer-encoding",
                                        "upgrade",
                                        "user-agent",
                                        "vary",
                                        "via",
                                        "warning",
                                        "www-authenticate",
                                        "method",
                                        "get",
                                        "status",
                                        "200 OK",
                                        "version",
                                        "HTTP/1.1",
                                        "url",
                                        "public",
                                        "set-cookie",
                                        "keep-alive",
                                        "origin"};
// And the rest of it.
constexpr absl::string_view kTail =
    "100101201202205206300302303304305306307402405406407408409410411412413414"
    "415416417502504505203 Non-Authoritative Information204 No Content301 "
    "Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not "
    "Found500 Internal Server Error501 Not Implemented503 Service "
    "UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,"
    "image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8"
    "charset=iso-8859-1,utf-,*,enq=0.";

std::string MakeDictionary() {
  std::string dictionary;
  for (absl::string_view word : kWords) {
    AppendUint32(dictionary, static_cast<uint32_t>(word.size()));
    dictionary.append(word.data(), word.size());
  }
  dictionary.append(kTail.data(), kTail.size());
  return dictionary;
}

// zlib's input is not const.
Bytef* BytesOf(absl::string_view text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("spdy header block: ", what));
}

// A length and as many bytes, taken off the front of `rest`.
absl::StatusOr<absl::string_view> TakeText(absl::string_view& rest) {
  if (rest.size() < 4) return Malformed("a length is cut off");
  const uint32_t size = ReadUint32(rest.data());
  rest.remove_prefix(4);
  if (rest.size() < size) return Malformed("a text is cut off");
  const absl::string_view text = rest.substr(0, size);
  rest.remove_prefix(size);
  return text;
}

absl::StatusOr<StreamHeaders> Parse(absl::string_view rest) {
  if (rest.size() < 4) return Malformed("the count is cut off");
  const uint32_t count = ReadUint32(rest.data());
  rest.remove_prefix(4);
  if (count > kMaxHeaderCount) {
    return absl::ResourceExhaustedError(
        absl::StrCat("spdy header block: ", count, " headers"));
  }
  StreamHeaders headers;
  for (uint32_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(absl::string_view name, TakeText(rest));
    ASSIGN_OR_RETURN(absl::string_view value, TakeText(rest));
    // Several values are parted by zero bytes.
    value = value.substr(0, value.find('\0'));
    headers.emplace(absl::AsciiStrToLower(name), std::string(value));
  }
  if (!rest.empty()) return Malformed("bytes follow the last header");
  return headers;
}

}  // namespace

const std::string& SpdyDictionary() {
  static const std::string* const dictionary =
      new std::string(MakeDictionary());
  return *dictionary;
}

struct SpdyHeaderReader::State {
  z_stream zlib = {};
  bool broken = false;
};

SpdyHeaderReader::SpdyHeaderReader() : state_(std::make_unique<State>()) {
  // Fails for want of memory only.
  if (inflateInit(&state_->zlib) != Z_OK) std::abort();
}

SpdyHeaderReader::~SpdyHeaderReader() { inflateEnd(&state_->zlib); }

absl::StatusOr<std::string> SpdyHeaderReader::Inflate(absl::string_view block) {
  z_stream& zlib = state_->zlib;
  zlib.next_in = BytesOf(block);
  zlib.avail_in = static_cast<uInt>(block.size());
  std::string plain;
  char piece[2048];
  while (true) {
    zlib.next_out = reinterpret_cast<Bytef*>(piece);
    zlib.avail_out = sizeof(piece);
    const int result = inflate(&zlib, Z_SYNC_FLUSH);
    plain.append(piece, sizeof(piece) - zlib.avail_out);
    if (plain.size() > kMaxHeaderBytes) {
      return absl::ResourceExhaustedError(
          "spdy header block: larger than 16 KiB");
    }
    if (result == Z_NEED_DICT) {
      const std::string& dictionary = SpdyDictionary();
      if (inflateSetDictionary(&zlib, BytesOf(dictionary),
                               static_cast<uInt>(dictionary.size())) != Z_OK) {
        return Malformed("compressed with another dictionary");
      }
      continue;
    }
    // No progress (Z_BUF_ERROR): all was taken and given.
    if (result == Z_BUF_ERROR) break;
    if (result != Z_OK) return Malformed("not a zlib stream");
    if (zlib.avail_in == 0 && zlib.avail_out != 0) break;
  }
  return plain;
}

absl::StatusOr<StreamHeaders> SpdyHeaderReader::Read(absl::string_view block) {
  if (state_->broken) return Malformed("follows one that was malformed");
  // Unless it ends well.
  state_->broken = true;
  ASSIGN_OR_RETURN(std::string plain, Inflate(block));
  ASSIGN_OR_RETURN(StreamHeaders headers, Parse(plain));
  state_->broken = false;
  return headers;
}

struct SpdyHeaderWriter::State {
  z_stream zlib = {};
};

SpdyHeaderWriter::SpdyHeaderWriter() : state_(std::make_unique<State>()) {
  // A window just large enough for the dictionary: what is sent is tiny.
  constexpr int kWindowBits = 11;
  constexpr int kMemLevel = 1;
  const std::string& dictionary = SpdyDictionary();
  if (deflateInit2(&state_->zlib, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                   kWindowBits, kMemLevel, Z_DEFAULT_STRATEGY) != Z_OK ||
      deflateSetDictionary(&state_->zlib, BytesOf(dictionary),
                           static_cast<uInt>(dictionary.size())) != Z_OK) {
    std::abort();
  }
}

SpdyHeaderWriter::~SpdyHeaderWriter() { deflateEnd(&state_->zlib); }

std::string SpdyHeaderWriter::Write(const StreamHeaders& headers) {
  std::string plain;
  AppendUint32(plain, static_cast<uint32_t>(headers.size()));
  for (const auto& [name, value] : headers) {
    AppendUint32(plain, static_cast<uint32_t>(name.size()));
    plain += name;
    AppendUint32(plain, static_cast<uint32_t>(value.size()));
    plain += value;
  }
  z_stream& zlib = state_->zlib;
  zlib.next_in = BytesOf(plain);
  zlib.avail_in = static_cast<uInt>(plain.size());
  std::string block;
  char piece[512];
  do {
    zlib.next_out = reinterpret_cast<Bytef*>(piece);
    zlib.avail_out = sizeof(piece);
    deflate(&zlib, Z_SYNC_FLUSH);
    block.append(piece, sizeof(piece) - zlib.avail_out);
  } while (zlib.avail_out == 0);
  return block;
}

}  // namespace gantry::streaming
