#include "shim/io/line_framer.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace gantry::shim {

LineFramer::LineFramer(absl::string_view stream)
    : header_(
          absl::StrCat(std::string(kTimestampSize, '0'), " ", stream, " F ")) {}

size_t LineFramer::Frame(absl::string_view data, int64_t unix_nanos,
                         PageBuffer& out) {
  SetTime(unix_nanos);
  const size_t size = data.size();
  while (!data.empty()) {
    const size_t left = kMaxLine - carry_.size();
    const void* newline =
        memchr(data.data(), '\n', std::min(data.size(), left + 1));
    const size_t length =
        newline != nullptr
            ? static_cast<size_t>(static_cast<const char*>(newline) -
                                  data.data())
            : left;
    if (newline == nullptr && data.size() <= left) {
      carry_.append(data.data(), data.size());
      return size;
    }
    if (out.room() < header_.size() + carry_.size() + length + 1) break;
    Write(newline != nullptr ? 'F' : 'P', data.substr(0, length), out);
    data.remove_prefix(newline != nullptr ? length + 1 : length);
  }
  return size - data.size();
}

bool LineFramer::Finish(int64_t unix_nanos, PageBuffer& out) {
  if (carry_.empty()) return true;
  if (out.room() < header_.size() + carry_.size() + 1) return false;
  SetTime(unix_nanos);
  Write('P', "", out);
  return true;
}

void LineFramer::Shrink() {
  if (carry_.empty()) carry_ = std::string();
}

void LineFramer::Write(char tag, absl::string_view text, PageBuffer& out) {
  header_[header_.size() - 2] = tag;
  char* const begin = out.tail();
  char* to = begin;
  auto append = [&to](absl::string_view piece) {
    memcpy(to, piece.data(), piece.size());
    to += piece.size();
  };
  append(header_);
  if (!carry_.empty()) {
    append(carry_);
    carry_.clear();
  }
  if (!text.empty()) append(text);
  *to++ = '\n';
  out.Append(static_cast<size_t>(to - begin));
}

void LineFramer::SetTime(int64_t unix_nanos) {
  WriteTimestamp(unix_nanos, header_.data());
}

}  // namespace gantry::shim
