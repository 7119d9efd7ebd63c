// Small readers for the texts in cgroup control files.
//
// Pure and total: any text is fine, what isn't understood is unset.
// Thread safety: reentrant.

#ifndef GANTRY_RUNTIME_CGROUP_CONTROL_TEXT_H_
#define GANTRY_RUNTIME_CGROUP_CONTROL_TEXT_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/cgroup/stats.h"

namespace gantry::cgroup {

// A number alone in its file.
std::optional<uint64_t> ParseCount(absl::string_view text);

// A limit: -1 for "max", for "-1" and for v1's largest page counter, which
// means "no limit" there; the number otherwise.
std::optional<int64_t> ParseLimit(absl::string_view text);

// The number behind `key` in lines of "key number".
std::optional<uint64_t> FindCount(absl::string_view text,
                                  absl::string_view key);

// The line that begins with the word `key`, without its end; empty if none.
absl::string_view FindLine(absl::string_view text, absl::string_view key);

// cgroup.procs. Left out: 0, which stands for processes of a PID namespace that
// the reader can't see.
std::vector<pid_t> ParsePids(absl::string_view text);

// A pressure file; unset if it has no "some" line.
std::optional<Pressure> ParsePressure(absl::string_view text);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_CONTROL_TEXT_H_
