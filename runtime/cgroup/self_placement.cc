#include "runtime/cgroup/self_placement.h"

#include <fcntl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {

absl::StatusOr<SelfPlacement> SelfPlacement::Open(
    const Hierarchies& hierarchies, absl::string_view path) {
  SelfPlacement placement;
  const size_t first = hierarchies.primary();
  if (hierarchies.unified() != first) {
    RETURN_IF_ERROR(placement.Add(hierarchies, first, path));
  }
  for (size_t i = 0; i < hierarchies.size(); ++i) {
    if (i == first || hierarchies.unified() == i) continue;
    RETURN_IF_ERROR(placement.Add(hierarchies, i, path));
  }
  return placement;
}

absl::Status SelfPlacement::Add(const Hierarchies& hierarchies,
                                size_t hierarchy, absl::string_view path) {
  ASSIGN_OR_RETURN(UniqueFd tasks,
                   sys::OpenAt(hierarchies.fd(hierarchy),
                               absl::StrCat(path, "/tasks"), O_WRONLY));
  places_.push_back({std::move(tasks), hierarchies[hierarchy].mount_path});
  return absl::OkStatus();
}

absl::Status SelfPlacement::Join() const {
  for (const Place& place : places_) {
    RETURN_IF_ERROR(sys::WriteAll(place.tasks.get(), "0"))
        << "move into the cgroup in " << place.mount_path;
  }
  return absl::OkStatus();
}

}  // namespace gantry::cgroup
