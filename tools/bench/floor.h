// The floor: the kernel's own work for one container with nothing around it,
// measured part by part.
//
// clone into UTS, IPC, PID, mount, network and cgroup namespaces; an overlay
// mounted inside; one cgroup made, joined and removed in every mounted v1
// hierarchy (on cgroup2 where there is no v1); exec of `true`; reap. What a
// runtime takes beyond that is its own.
//
// Ownership: a scratch directory and, while measuring, cgroups named after this
// process; removed by Measure and the destructor. Thread safety: none; one
// Floor per process at a time. Needs root. Blocking: some milliseconds a call.

#ifndef GANTRY_TOOLS_BENCH_FLOOR_H_
#define GANTRY_TOOLS_BENCH_FLOOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"
#include "tools/bench/floor_child.h"

namespace gantry::bench {

// Nanoseconds. `whole` is the sum of the next six.
struct FloorCosts {
  int64_t whole = 0;
  int64_t make_cgroups = 0;
  int64_t clone_namespaces = 0;  // until the child's first instruction
  int64_t join_cgroups = 0;
  int64_t mount_overlay = 0;
  int64_t exec_and_reap = 0;  // the namespaces' end included
  int64_t remove_cgroups = 0;
  // Measured apart: a process in new namespaces without cgroups and overlay,
  // and one without anything.
  int64_t namespaces_only = 0;
  int64_t plain_process = 0;
};

class Floor {
 public:
  // `scratch`: an existing directory on a file system that can carry an
  // overlay. FAILED_PRECONDITION if the machine cannot do a part.
  static absl::StatusOr<std::unique_ptr<Floor>> Make(
      const std::string& scratch);
  ~Floor();

  absl::StatusOr<FloorCosts> Measure();

  // "/bin/busybox true", "9 hierarchies": for the report.
  std::string Description() const;

  const std::string& directory() const { return directory_; }
  const std::string& cgroup_name() const { return cgroup_name_; }

 private:
  // A cgroup hierarchy by its mount.
  struct Place {
    std::string mount_path;
    UniqueFd root;
    std::string cpus;  // for a v1 cpuset: what a new cgroup must be given
    std::string mems;
  };

  explicit Floor(std::string scratch);
  absl::Status MakeDirectories();
  absl::Status FindPlaces();
  absl::StatusOr<std::vector<UniqueFd>> MakeCgroups();
  absl::Status RemoveCgroups();
  // Starts `plan`'s child and reaps it; when it was started.
  absl::StatusOr<int64_t> RunChild(FloorPlan* plan);
  absl::StatusOr<int64_t> TimeProcess(uint64_t flags);
  absl::Status MeasureWhole(FloorCosts* costs);

  std::string scratch_;
  std::string directory_;
  std::string cgroup_name_;
  std::vector<Place> places_;
  std::string overlay_target_;
  std::string overlay_options_;
  std::vector<std::string> command_;
  std::vector<char*> argv_;  // of command_
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_FLOOR_H_
