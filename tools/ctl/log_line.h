// One line of a container's log in CRI's format:
//
//   2024-01-02T03:04:05.678901234Z stdout F the content
//
// time (RFC 3339), stream, tags (the first is F for a whole line, or P for a
// part whose line goes on in the next entry of that stream) and the content.
// Source: Kubernetes' container runtime interface log format. Pure.

#ifndef GANTRY_TOOLS_CTL_LOG_LINE_H_
#define GANTRY_TOOLS_CTL_LOG_LINE_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace gantry::ctl {

struct LogLine {
  absl::string_view time;
  bool is_stderr = false;
  bool partial = false;
  absl::string_view content;  // without the line's end
};

// `line` without its newline; nullopt if it is not in this format. The result
// refers to `line`.
std::optional<LogLine> ParseLogLine(absl::string_view line);

// Where in a log the last `count` lines begin: a line counts once with all its
// parts, per stream. `text` is a log's content.
size_t TailOffset(absl::string_view text, size_t count);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_LOG_LINE_H_
