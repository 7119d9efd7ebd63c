#include "runtime/cgroup/control_text.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace gantry::cgroup {

namespace {

// PAGE_COUNTER_MAX in bytes with pages of 64 KiB; with smaller pages it is
// larger.
constexpr uint64_t kNoLimit = 0x7fffffffffff0000;

PressureLine ParsePressureLine(absl::string_view line) {
  PressureLine result;
  for (absl::string_view word : absl::StrSplit(line, ' ')) {
    if (absl::ConsumePrefix(&word, "avg10=")) {
      (void)absl::SimpleAtod(word, &result.avg10_percent);
    } else if (absl::ConsumePrefix(&word, "avg60=")) {
      (void)absl::SimpleAtod(word, &result.avg60_percent);
    } else if (absl::ConsumePrefix(&word, "avg300=")) {
      (void)absl::SimpleAtod(word, &result.avg300_percent);
    } else if (absl::ConsumePrefix(&word, "total=")) {
      (void)absl::SimpleAtoi(word, &result.total_us);
    }
  }
  return result;
}

}  // namespace

std::optional<uint64_t> ParseCount(absl::string_view text) {
  uint64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return std::nullopt;
  return value;
}

std::optional<int64_t> ParseLimit(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (text == "max" || text == "-1") return -1;
  const std::optional<uint64_t> count = ParseCount(text);
  if (!count.has_value()) return std::nullopt;
  return *count >= kNoLimit ? -1 : static_cast<int64_t>(*count);
}

absl::string_view FindLine(absl::string_view text, absl::string_view key) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const absl::string_view line = text.substr(0, end);
    if (absl::StartsWith(line, key) &&
        (line.size() == key.size() || line[key.size()] == ' ')) {
      return line;
    }
    if (end == absl::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return "";
}

std::optional<uint64_t> FindCount(absl::string_view text,
                                  absl::string_view key) {
  const absl::string_view line = FindLine(text, key);
  if (line.size() <= key.size()) return std::nullopt;
  return ParseCount(line.substr(key.size() + 1));
}

std::vector<pid_t> ParsePids(absl::string_view text) {
  std::vector<pid_t> pids;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(line, &pid) && pid > 0) pids.push_back(pid);
  }
  return pids;
}

std::optional<Pressure> ParsePressure(absl::string_view text) {
  const absl::string_view some = FindLine(text, "some");
  if (some.empty()) return std::nullopt;
  return Pressure{ParsePressureLine(some),
                  ParsePressureLine(FindLine(text, "full"))};
}

}  // namespace gantry::cgroup
