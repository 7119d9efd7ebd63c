// Whether a container's log holds exactly the lines that were written: none
// lost, torn or doubled.
//
// The lines are numbered, in cycles: a container can write the same file over
// and over at full speed. Entries are CRI's (log_line.h); parts (P) are joined.
// Thread safety: none. Add is pure; CheckLogs reads the files.

#ifndef GANTRY_TOOLS_BENCH_LOG_CHECK_H_
#define GANTRY_TOOLS_BENCH_LOG_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry::bench {

// What is written: `cycles` times the lines 1 to `cycle`, each `bytes` long
// with its newline but for the last of a cycle, which has its number only; then
// kEndOfLines.
inline constexpr char kEndOfLines[] = "end";
struct NumberedLines {
  int64_t cycle = 20'000;
  int64_t cycles = 100;
  int bytes = 100;

  int64_t total() const { return cycle * cycles; }
  // Of all numbered lines with their newlines.
  int64_t total_bytes() const;
  // What all but the last have behind the number, without the newline.
  std::string Padding() const;
  // A line's content; `index` from 0 on.
  std::string Line(int64_t index) const;
  // A script for sh that writes them: a file of one cycle in memory first, then
  // as fast as cat copies it.
  std::string Script() const;
};

class LogCheck {
 public:
  explicit LogCheck(const NumberedLines& lines);

  // An entry without its newline. DATA_LOSS that names the line if it is not
  // what comes next.
  absl::Status Add(absl::string_view entry);
  // DATA_LOSS if lines are missing at the end.
  absl::Status End() const;

 private:
  absl::Status Wrong(absl::string_view content) const;

  const NumberedLines lines_;
  std::vector<std::string> cycle_;
  std::string part_;
  int64_t next_ = 0;
};

// Checks `name` in the directory and what it was rotated to (`name` with more
// behind), the oldest entries first. What they have in bytes is added to
// `bytes`.
absl::Status CheckLogs(int dirfd, const std::string& name,
                       const NumberedLines& lines, int64_t* bytes);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_LOG_CHECK_H_
