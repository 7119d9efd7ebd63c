// How values are shown to people: tables, sizes, ages, short ids, pretty JSON.
// Pure functions; nothing blocks.

#ifndef GANTRY_TOOLS_CTL_FORMAT_H_
#define GANTRY_TOOLS_CTL_FORMAT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gantry::ctl {

// Rows below a heading, columns as wide as their widest cell. Control
// characters in cells are shown as '?', so that what a container or an image
// says cannot steer the terminal.
class Table {
 public:
  explicit Table(std::vector<std::string> heading);
  void Add(std::vector<std::string> row);
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// `text` without control characters ('?' for each).
std::string Printable(absl::string_view text);

// "0 B", "999 B", "1.5 KiB", "20.0 MiB".
std::string HumanSize(uint64_t bytes);

// "3 minutes ago" for an instant in Unix nanoseconds; "-" for 0.
std::string Age(int64_t unix_nanos, int64_t now_nanos);

// The first 12 characters, without "sha256:" before them.
std::string ShortId(absl::string_view id);

// JSON text (which must be valid) with line breaks and indentation of two.
std::string PrettyJson(absl::string_view json);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_FORMAT_H_
