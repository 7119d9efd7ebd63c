#include "tools/bench/log_check.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "tools/ctl/log_line.h"

namespace gantry::bench {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;

// Hands each line of the file to the check; what stands behind the last newline
// too, for it is an entry that was torn.
absl::Status CheckFile(int fd, LogCheck* check, int64_t* bytes) {
  std::string pending;
  std::vector<char> block(kBlockBytes);
  while (true) {
    const ssize_t got = read(fd, block.data(), block.size());
    if (got < 0) return ErrnoStatus(errno, "read the log");
    if (got == 0) break;
    *bytes += got;
    pending.append(block.data(), static_cast<size_t>(got));
    size_t begin = 0;
    for (size_t end; (end = pending.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      RETURN_IF_ERROR(
          check->Add(absl::string_view(pending).substr(begin, end - begin)));
    }
    pending.erase(0, begin);
  }
  return pending.empty() ? absl::OkStatus() : check->Add(pending);
}

// As RFC 3339 has it. An entry that was torn within its time still has spaces
// where they belong if another follows.
bool IsTime(absl::string_view time) {
  return time.size() >= 20 && time.size() <= 35 && time[4] == '-' &&
         time[7] == '-' && time[10] == 'T' && time[13] == ':' &&
         time[16] == ':';
}

// A file and its first entry's time, by which it is sorted.
struct Part {
  std::string time;
  UniqueFd file;
};

absl::StatusOr<Part> OpenPart(int dirfd, const std::string& name) {
  Part part;
  ASSIGN_OR_RETURN(part.file, sys::OpenAt(dirfd, name, O_RDONLY));
  char begin[64];
  const ssize_t got = pread(part.file.get(), begin, sizeof(begin), 0);
  if (got < 0) return ErrnoStatus(errno, absl::StrCat("read ", name));
  const absl::string_view text(begin, static_cast<size_t>(got));
  part.time = std::string(text.substr(0, text.find(' ')));
  return part;
}

}  // namespace

int64_t NumberedLines::total_bytes() const {
  return total() * bytes - cycles * static_cast<int64_t>(Padding().size());
}

std::string NumberedLines::Padding() const {
  const int digits = static_cast<int>(absl::StrCat(cycle).size());
  return absl::StrCat(" ", std::string(std::max(bytes - digits - 2, 0), 'x'));
}

std::string NumberedLines::Line(int64_t index) const {
  const int64_t number = index % cycle + 1;
  const int digits = static_cast<int>(absl::StrCat(cycle).size());
  return absl::StrFormat("%0*d%s", digits, number,
                         number == cycle ? "" : Padding());
}

std::string NumberedLines::Script() const {
  // seq puts a separator, newline and all, between its numbers.
  return absl::StrCat("seq -w -s '", Padding(), "\n' 1 ", cycle,
                      " >/dev/shm/lines || exit 1\n", "i=0; set --\n",
                      "while [ $i -lt ", cycles,
                      " ]; do set -- \"$@\" /dev/shm/lines; i=$((i+1)); done\n",
                      "cat \"$@\" && echo ", kEndOfLines, "\n");
}

LogCheck::LogCheck(const NumberedLines& lines) : lines_(lines) {
  for (int64_t i = 0; i < lines.cycle; ++i) cycle_.push_back(lines.Line(i));
}

absl::Status LogCheck::Wrong(absl::string_view content) const {
  const std::string at = absl::StrCat("line ", next_ + 1, " of the log ");
  if (content == kEndOfLines && next_ < lines_.total()) return End();
  const std::string shown =
      absl::CHexEscape(content.substr(0, std::min<size_t>(60, content.size())));
  const auto found = std::find(cycle_.begin(), cycle_.end(), content);
  if (next_ >= lines_.total()) {
    return absl::DataLossError(
        absl::StrCat(at, "should be the last: \"", shown, "\""));
  }
  if (found == cycle_.end()) {
    return absl::DataLossError(absl::StrCat(at, "is torn: \"", shown, "\""));
  }
  const int64_t number = found - cycle_.begin();
  return absl::DataLossError(
      absl::StrCat(at, "should be number ", next_ % lines_.cycle + 1,
                   " and is number ", number + 1, ": lines were ",
                   number < next_ % lines_.cycle ? "doubled" : "lost"));
}

absl::Status LogCheck::Add(absl::string_view entry) {
  const std::optional<ctl::LogLine> line = ctl::ParseLogLine(entry);
  if (!line.has_value() || !IsTime(line->time)) return Wrong(entry);
  absl::string_view content = line->content;
  if (line->partial || !part_.empty()) {
    absl::StrAppend(&part_, content);
    if (line->partial) return absl::OkStatus();
    content = part_;
  }
  const bool expected = next_ < lines_.total()
                            ? content == cycle_[next_ % lines_.cycle]
                            : next_ == lines_.total() && content == kEndOfLines;
  if (!expected) return Wrong(content);
  ++next_;
  part_.clear();
  return absl::OkStatus();
}

absl::Status LogCheck::End() const {
  // With the end.
  if (next_ == lines_.total() + 1 && part_.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the log ends after ", next_, " of ",
                                          lines_.total(), " lines"));
}

absl::Status CheckLogs(int dirfd, const std::string& name,
                       const NumberedLines& lines, int64_t* bytes) {
  ASSIGN_OR_RETURN(const std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(dirfd, "."));
  std::vector<Part> parts;
  for (const sys::DirEntry& entry : entries) {
    if (!absl::StartsWith(entry.name, name)) continue;
    ASSIGN_OR_RETURN(Part part, OpenPart(dirfd, entry.name));
    parts.push_back(std::move(part));
  }
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.time < b.time; });
  LogCheck check(lines);
  for (const Part& part : parts) {
    RETURN_IF_ERROR(CheckFile(part.file.get(), &check, bytes));
  }
  return check.End();
}

}  // namespace gantry::bench
