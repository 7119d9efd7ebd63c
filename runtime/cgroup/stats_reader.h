// Reads the counters of one cgroup.
//
// For the server, which reads many cgroups often: through the directory fds of
// the opened hierarchies, nothing else kept. Thread safety: const, reentrant.
// Blocks only for cgroupfs reads.

#ifndef GANTRY_RUNTIME_CGROUP_STATS_READER_H_
#define GANTRY_RUNTIME_CGROUP_STATS_READER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/cgroup/stats.h"

namespace gantry::cgroup {

class StatsReader {
 public:
  // `hierarchies` must outlive the reader.
  static absl::StatusOr<StatsReader> For(const Hierarchies& hierarchies,
                                         absl::string_view path);

  // NOT_FOUND if the cgroup doesn't exist; a counter that the kernel doesn't
  // have is unset.
  absl::StatusOr<Stats> Read() const;

  // As Manager::OomKills.
  absl::StatusOr<uint64_t> OomKills() const;

 private:
  StatsReader(const Hierarchies& hierarchies, std::string path)
      : hierarchies_(&hierarchies), path_(std::move(path)) {}

  const Hierarchies* hierarchies_;
  std::string path_;
};

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_STATS_READER_H_
