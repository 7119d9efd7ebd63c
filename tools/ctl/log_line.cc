#include "tools/ctl/log_line.h"

namespace gantry::ctl {
namespace {

// Cuts the word before the next space; false if there is no space.
bool TakeWord(absl::string_view* rest, absl::string_view* word) {
  const size_t space = rest->find(' ');
  if (space == absl::string_view::npos) return false;
  *word = rest->substr(0, space);
  rest->remove_prefix(space + 1);
  return !word->empty();
}

}  // namespace

std::optional<LogLine> ParseLogLine(absl::string_view line) {
  LogLine parsed;
  absl::string_view stream;
  absl::string_view tags;
  if (!TakeWord(&line, &parsed.time) || !TakeWord(&line, &stream) ||
      !TakeWord(&line, &tags)) {
    return std::nullopt;
  }
  if (stream != "stdout" && stream != "stderr") return std::nullopt;
  parsed.is_stderr = stream == "stderr";
  // Further tags stand behind a colon.
  const absl::string_view first = tags.substr(0, tags.find(':'));
  if (first != "F" && first != "P") return std::nullopt;
  parsed.partial = first == "P";
  parsed.content = line;
  return parsed;
}

size_t TailOffset(absl::string_view text, size_t count) {
  // From the end: a whole entry ends a line of its stream, and the parts of
  // that stream before it belong to it.
  size_t end = text.size();
  if (end > 0 && text[end - 1] == '\n') --end;
  size_t lines = 0;
  size_t offset = text.size();
  bool open[2] = {false, false};  // a line of that stream has begun, backwards
  while (true) {
    const size_t newline =
        end == 0 ? absl::string_view::npos : text.rfind('\n', end - 1);
    const size_t begin = newline == absl::string_view::npos ? 0 : newline + 1;
    const std::optional<LogLine> line =
        ParseLogLine(text.substr(begin, end - begin));
    if (line.has_value()) {
      bool& is_open = open[line->is_stderr ? 1 : 0];
      if (!line->partial || !is_open) {
        if (lines == count) return offset;
        ++lines;
        is_open = true;
      }
    }
    offset = begin;
    if (begin == 0) return 0;
    end = begin - 1;
  }
}

}  // namespace gantry::ctl
