// The directory that one cgroup has in one hierarchy, for reading counters: a
// file that is not there, or cannot be read, is as good as an empty one.
//
// Thread safety: const, reentrant. Blocks for cgroupfs. Internal to
// runtime/cgroup.

#ifndef GANTRY_RUNTIME_CGROUP_STATS_SOURCE_H_
#define GANTRY_RUNTIME_CGROUP_STATS_SOURCE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace gantry::cgroup {

class StatsSource {
 public:
  // `path` below the directory `fd`, both borrowed; empty: `fd` itself.
  StatsSource(int fd, absl::string_view path) : fd_(fd), path_(path) {}

  std::string Text(absl::string_view file) const;
  std::optional<uint64_t> Count(absl::string_view file) const;
  // Unset also for "no limit".
  std::optional<uint64_t> Limit(absl::string_view file) const;

 private:
  int fd_;
  absl::string_view path_;
};

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_STATS_SOURCE_H_
