// Reads the counters of one cgroup.
//
// For one (a shim's own): by its path, nothing kept. For the server, which
// reads many cgroups often: through directory fds of the cgroup that are kept.
// Such a fd does not keep a cgroup from being removed.
// Thread safety: const, reentrant. Blocks only for cgroupfs reads.

#ifndef GANTRY_RUNTIME_CGROUP_STATS_READER_H_
#define GANTRY_RUNTIME_CGROUP_STATS_READER_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/cgroup/stats.h"
#include "runtime/cgroup/stats_source.h"

namespace gantry::cgroup {

class StatsReader {
 public:
  // `hierarchies` must outlive the reader.
  static absl::StatusOr<StatsReader> For(const Hierarchies& hierarchies,
                                         absl::string_view path);
  // The same with the cgroup's directories opened; NOT_FOUND if it doesn't
  // exist.
  static absl::StatusOr<StatsReader> Open(const Hierarchies& hierarchies,
                                          absl::string_view path);

  // How many fds are kept.
  size_t fds() const;

  // NOT_FOUND if the cgroup doesn't exist; a counter that the kernel doesn't
  // have is unset.
  absl::StatusOr<Stats> Read(Scope scope = Scope::kAll) const;

  // Processes in the cgroup and below it.
  absl::StatusOr<std::vector<pid_t>> Processes() const;

  // As Manager::OomKills.
  absl::StatusOr<uint64_t> OomKills() const;

 private:
  StatsReader(const Hierarchies& hierarchies, std::string path)
      : hierarchies_(&hierarchies), path_(std::move(path)) {}

  // The cgroup's directory in hierarchy `i`.
  StatsSource Source(size_t i) const;
  void ReadAll(Stats& stats) const;
  void ReadPressures(Stats& stats) const;

  const Hierarchies* hierarchies_;
  std::string path_;
  // By hierarchy; empty without kept fds. What isn't there, or isn't read, has
  // no fd.
  std::vector<UniqueFd> dirs_;
  // False: this kernel gives no pressure, as was seen when the fds were opened.
  bool has_pressure_ = true;
};

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_STATS_READER_H_
