#include "server/core/image_mounts.h"

#include <fcntl.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/rootfs/layers_lookup.h"
#include "runtime/sys/file.h"

namespace gantry::core {
namespace {

// Told at the create, as far as it can be told without a mount.
absl::Status CheckSubPath(const spec::ImageMount& mount) {
  if (mount.sub_path().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(UniqueFd layers, sys::OpenAt(AT_FDCWD, mount.layers_dir(),
                                                O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(
      rootfs::Lookup found,
      rootfs::LookUpInLayers(
          layers.get(), {mount.lower_dirs().begin(), mount.lower_dirs().end()},
          mount.sub_path()));
  if (found != rootfs::Lookup::kMissing) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "image ", mount.image_id(), " has no path ", mount.sub_path()));
}

absl::StatusOr<image::ImageStore::Lowers> Resolve(image::ImageStore& images,
                                                  const std::string& layers_dir,
                                                  spec::ImageMount& mount) {
  ASSIGN_OR_RETURN(record::ImageRecord image,
                   images.Resolve(mount.image_ref()));
  ASSIGN_OR_RETURN(image::ImageStore::Lowers lowers, images.LowersOf(image));
  if (lowers.dirs.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("image ", mount.image_ref(), " has no content"));
  }
  mount.set_image_id(image.id());
  // As PullImage answers.
  mount.set_image_ref(image.id());
  mount.set_layers_dir(layers_dir);
  // Topmost first.
  mount.mutable_lower_dirs()->Assign(lowers.dirs.rbegin(), lowers.dirs.rend());
  RETURN_IF_ERROR(CheckSubPath(mount));
  return lowers;
}

}  // namespace

absl::StatusOr<std::vector<image::ImageStore::Lowers>> ResolveImageMounts(
    image::ImageStore& images, const std::string& layers_dir,
    record::ContainerRecord& container) {
  std::vector<image::ImageStore::Lowers> held;
  for (spec::BindMount& mount : *container.mutable_spec()->mutable_mounts()) {
    if (!mount.has_image()) continue;
    ASSIGN_OR_RETURN(
        image::ImageStore::Lowers lowers,
        Resolve(images, layers_dir, *mount.mutable_image()),
        absl::StrCat("mount an image at ", mount.container_path()));
    for (const image::Digest& diff_id : lowers.diff_ids) {
      container.add_layer_diff_ids(diff_id.ToString());
    }
    held.push_back(std::move(lowers));
  }
  return held;
}

}  // namespace gantry::core
