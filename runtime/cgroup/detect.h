// Finds the cgroup hierarchies of this machine.
//
// Thread safety: pure functions, and one that reads three kinds of files.

#ifndef GANTRY_RUNTIME_CGROUP_DETECT_H_
#define GANTRY_RUNTIME_CGROUP_DETECT_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/cgroup/layout.h"

namespace gantry::cgroup {

// The texts that the decision is made from.
struct DetectInput {
  std::string mountinfo;    // /proc/self/mountinfo
  std::string self_cgroup;  // /proc/self/cgroup
  // cgroup.controllers of each cgroup2 mount, by mount path.
  std::map<std::string, std::string> unified_controllers;
};

// Decides from text alone. Of several mounts of one hierarchy the one that
// shows most of it wins, then one below /sys/fs/cgroup, then the first; mounts
// hidden by later ones don't count. A controller compiled in but not mounted is
// left out. FAILED_PRECONDITION if no hierarchy is mounted, INVALID_ARGUMENT
// for text that isn't mountinfo.
absl::StatusOr<Layout> DecideLayout(const DetectInput& input);

// Reads the texts below `rootfd` (a fd of "/" in production) and decides;
// huge page sizes come from sys/kernel/mm/hugepages. Once per process.
absl::StatusOr<Layout> DetectLayout(int rootfd);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_DETECT_H_
