#include "shim/io/line_framer.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace gantry::shim {

LineFramer::LineFramer(absl::string_view stream)
    : header_(
          absl::StrCat(std::string(kTimestampSize, '0'), " ", stream, " F ")) {}

size_t LineFramer::Frame(absl::string_view data, int64_t unix_nanos,
                         PageBuffer& out, int64_t& allowance) {
  SetTime(unix_nanos);
  const size_t size = data.size();
  if (gap_.in_line && !data.empty()) {
    const size_t newline = data.find('\n');
    const size_t rest = std::min(newline, size - 1) + 1;
    Drop(data.substr(0, rest));
    if (newline == absl::string_view::npos) return size;
    data.remove_prefix(rest);
  }
  if (gap_.bytes > 0) {
    if (out.room() < kMaxMarker) return size - data.size();
    allowance -= static_cast<int64_t>(WriteMarker(out));
  }
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
    if (allowance <= 0 ||
        out.room() < header_.size() + carry_.size() + length + 1) {
      break;
    }
    allowance -= static_cast<int64_t>(
        Write(newline != nullptr ? 'F' : 'P', data.substr(0, length), out));
    data.remove_prefix(newline != nullptr ? length + 1 : length);
  }
  return size - data.size();
}

void LineFramer::Drop(absl::string_view data) {
  gap_.lines +=
      static_cast<uint64_t>(std::count(data.begin(), data.end(), '\n'));
  gap_.bytes += carry_.size() + data.size();
  gap_.in_line = data.back() != '\n';
  carry_.clear();
}

bool LineFramer::EndGap(int64_t unix_nanos, PageBuffer& out) {
  if (gap_.bytes == 0 || gap_.in_line) return true;
  if (out.room() < kMaxMarker) return false;
  SetTime(unix_nanos);
  WriteMarker(out);
  return true;
}

bool LineFramer::Finish(int64_t unix_nanos, PageBuffer& out) {
  if (gap_.in_line) {
    ++gap_.lines;
    gap_.in_line = false;
  }
  if (!EndGap(unix_nanos, out)) return false;
  if (carry_.empty()) return true;
  if (out.room() < header_.size() + carry_.size() + 1) return false;
  SetTime(unix_nanos);
  Write('P', "", out);
  return true;
}

void LineFramer::Shrink() {
  if (carry_.empty()) carry_ = std::string();
}

size_t LineFramer::Write(char tag, absl::string_view text, PageBuffer& out) {
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
  const auto size = static_cast<size_t>(to - begin);
  out.Append(size);
  in_pieces_ = tag == 'P';
  return size;
}

size_t LineFramer::WriteMarker(PageBuffer& out) {
  const size_t end = in_pieces_ ? Write('F', "", out) : 0;
  const std::string text = absl::StrCat("[gantry] dropped ", gap_.lines,
                                        " lines, ", gap_.bytes, " bytes");
  gap_ = Gap();
  return end + Write('F', text, out);
}

void LineFramer::SetTime(int64_t unix_nanos) {
  WriteTimestamp(unix_nanos, header_.data());
}

}  // namespace gantry::shim
