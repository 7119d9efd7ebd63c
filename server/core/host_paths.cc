#include "server/core/host_paths.h"

#include <fcntl.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mountinfo.h"

namespace gantry::core {
namespace {

constexpr mode_t kNewDirectoryMode = 0755;

bool HasTag(const sys::MountInfo& mount, absl::string_view kind) {
  return std::any_of(
      mount.tags.begin(), mount.tags.end(),
      [kind](const std::string& tag) { return absl::StartsWith(tag, kind); });
}

// What is mounted at or below a host path is known inside only if its mount is
// in a peer group, and what is mounted inside goes out only to that group.
absl::Status CheckPropagation(spec::Propagation wanted, int fd) {
  if (wanted == spec::PRIVATE) return absl::OkStatus();
  ASSIGN_OR_RETURN(UniqueFd proc,
                   sys::OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY));
  ASSIGN_OR_RETURN(sys::MountInfo mount, sys::MountOf(proc.get(), fd));
  if (HasTag(mount, "shared:")) return absl::OkStatus();
  if (wanted == spec::BIDIRECTIONAL) {
    return absl::FailedPreconditionError(
        absl::StrCat("bidirectional propagation needs a shared mount, which ",
                     mount.mount_point, " is not"));
  }
  if (HasTag(mount, "master:")) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "propagation from the host needs a shared or slave mount, which ",
      mount.mount_point, " is not"));
}

absl::StatusOr<UniqueFd> OpenOrMake(const std::string& path) {
  absl::StatusOr<UniqueFd> there = sys::OpenAt(AT_FDCWD, path, O_PATH);
  if (!absl::IsNotFound(there.status())) return there;
  if (sys::ExistsAt(AT_FDCWD, path)) {
    return absl::FailedPreconditionError(
        "the host path is a symbolic link that leads nowhere");
  }
  RETURN_IF_ERROR(sys::MkdirAllAt(AT_FDCWD, path, kNewDirectoryMode))
      << "make the missing host path";
  return sys::OpenAt(AT_FDCWD, path, O_PATH);
}

absl::Status Prepare(const spec::BindMount& mount) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenOrMake(mount.host_path()));
  return CheckPropagation(mount.propagation(), fd.get());
}

}  // namespace

absl::Status PrepareHostPaths(const spec::ContainerSpec& spec) {
  for (const spec::BindMount& mount : spec.mounts()) {
    if (mount.has_image() || mount.image_volume()) continue;
    RETURN_IF_ERROR(Prepare(mount))
        << "mount " << mount.host_path() << " at " << mount.container_path();
  }
  return absl::OkStatus();
}

}  // namespace gantry::core
