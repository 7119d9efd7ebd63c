#include "server/core/image_volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/plan/paths.h"
#include "runtime/sys/file.h"

namespace gantry::core {
namespace {

constexpr int kMaxVolumes = 256;
// Of a volume that the image has nothing at.
constexpr mode_t kVolumeMode = 0755;

// Of what is mounted already; an odd path of the client's is no match here, and
// refused by the planner.
bool IsMounted(absl::string_view path, const spec::ContainerSpec& spec) {
  return std::any_of(spec.mounts().begin(), spec.mounts().end(),
                     [path](const spec::BindMount& mount) {
                       absl::StatusOr<std::string> there =
                           plan::CleanAbsolutePath(mount.container_path(), "");
                       return there.ok() && *there == path;
                     });
}

}  // namespace

absl::Status AddImageVolumes(const record::ImageConfigRecord& image,
                             const Paths& paths, spec::ContainerSpec& spec) {
  if (image.volumes_size() > kMaxVolumes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the image names ", image.volumes_size(),
                     " volumes; at most ", kMaxVolumes, " are made"));
  }
  for (int i = 0; i < image.volumes_size(); ++i) {
    // "data" is taken for "/data", as other runtimes do.
    ASSIGN_OR_RETURN(std::string path, plan::CleanAbsolutePath(
                                           absl::StrCat("/", image.volumes(i)),
                                           "volumes of the image"));
    if (IsMounted(path, spec)) continue;
    spec::BindMount& mount = *spec.add_mounts();
    mount.set_container_path(std::move(path));
    mount.set_host_path(
        absl::StrCat(paths.ContainerVolumes(spec.id()), "/", i));
    mount.set_image_volume(true);
    mount.set_selinux_relabel(true);
  }
  return absl::OkStatus();
}

absl::Status MakeImageVolumes(const Paths& paths,
                              const spec::ContainerSpec& spec) {
  const bool any =
      std::any_of(spec.mounts().begin(), spec.mounts().end(),
                  [](const auto& mount) { return mount.image_volume(); });
  if (!any) return absl::OkStatus();
  const std::string all = paths.ContainerVolumes(spec.id());
  const size_t slash = all.rfind('/');
  ASSIGN_OR_RETURN(
      UniqueFd container,
      sys::OpenAt(AT_FDCWD, all.substr(0, slash), O_RDONLY | O_DIRECTORY));
  RETURN_IF_ERROR(sys::RemoveTreeAt(container.get(), all.substr(slash + 1)));
  for (const spec::BindMount& mount : spec.mounts()) {
    if (!mount.image_volume()) continue;
    RETURN_IF_ERROR(sys::MkdirAllAt(AT_FDCWD, mount.host_path(), kVolumeMode));
    // Whatever the umask.
    if (chmod(mount.host_path().c_str(), kVolumeMode) != 0) {
      return ErrnoStatus(errno, absl::StrCat("chmod ", mount.host_path()));
    }
  }
  return absl::OkStatus();
}

}  // namespace gantry::core
