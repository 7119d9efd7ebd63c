#include "shim/init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"
#include "runtime/sys/mount.h"
#include "runtime/sys/security_label.h"
#include "shim/init/cgroup_mounts.h"
#include "shim/init/copy_tree.h"
#include "shim/init/filesystem.h"
#include "shim/init/relabel.h"
#include "shim/init/rootfs.h"

namespace gantry::init {
namespace {

uint64_t PropagationOf(spec::Propagation propagation) {
  switch (propagation) {
    case spec::HOST_TO_CONTAINER:
      return MS_SLAVE;
    case spec::BIDIRECTIONAL:
      return MS_SHARED;
    default:
      return MS_PRIVATE;
  }
}

// The access time's policy is one of several: it replaces the one there.
sys::MountAttributes AttributesOf(const plan::MountStep& step) {
  sys::MountAttributes attributes{.set = step.attributes()};
  if ((step.attributes() & MOUNT_ATTR__ATIME) != 0) {
    attributes.clear = MOUNT_ATTR__ATIME;
  }
  return attributes;
}

// mount_setattr(2): EINVAL is also the answer of a file system that has none.
absl::Status MapIds(const plan::MountStep& step, int tree,
                    const std::vector<int>& id_maps, int user_namespace) {
  if (step.id_map() == 0 && !step.id_mapped()) return absl::OkStatus();
  if (step.id_map() > id_maps.size()) {
    return absl::InvalidArgumentError("its id mapping is not in the plan");
  }
  const bool own = step.id_map() != 0;
  absl::Status mapped = sys::MountSetAttr(
      tree, "", AT_EMPTY_PATH | (own ? 0 : AT_RECURSIVE),
      {.set = MOUNT_ATTR_IDMAP,
       .userns_fd = own ? id_maps[step.id_map() - 1] : user_namespace});
  if (ErrnoOf(mapped) == EINVAL) {
    return ErrnoStatus(absl::StatusCode::kUnimplemented, EINVAL,
                       own ? "its file system has no id-mapped mounts"
                           : "its file system, or one that is mounted below "
                             "it, has no id-mapped mounts");
  }
  return mapped;
}

absl::StatusOr<UniqueFd> OpenBindSource(const plan::MountStep& step,
                                        const std::vector<int>& id_maps,
                                        int user_namespace) {
  absl::StatusOr<UniqueFd> tree =
      sys::OpenTree(AT_FDCWD, step.source(), OPEN_TREE_CLONE | AT_RECURSIVE);
  if (step.optional() && ErrnoOf(tree.status()) == ENOENT) return UniqueFd();
  if (!tree.ok()) return tree.status();
  if (!step.selinux_label().empty()) {
    RETURN_IF_ERROR(Relabel(step.source(), step.selinux_label())) << "relabel";
  }
  RETURN_IF_ERROR(MapIds(step, tree->get(), id_maps, user_namespace));
  RETURN_IF_ERROR(
      sys::MountSetAttr(tree->get(), "", AT_EMPTY_PATH | AT_RECURSIVE,
                        {.propagation = PropagationOf(step.propagation())}));
  if (step.attributes() == 0) return tree;
  RETURN_IF_ERROR(sys::MountSetAttr(
      tree->get(), "",
      AT_EMPTY_PATH | (step.recursive_attributes() ? AT_RECURSIVE : 0),
      AttributesOf(step)));
  return tree;
}

// Covers the layers with an id-mapped copy of themselves: what is looked up
// below it, by overlayfs as well, is id-mapped.
absl::Status CoverLayers(const plan::MountStep& step,
                         const std::vector<int>& id_maps, int user_namespace) {
  const std::string& layers = step.image().layers_dir();
  ASSIGN_OR_RETURN(UniqueFd copy,
                   sys::OpenTree(AT_FDCWD, layers, OPEN_TREE_CLONE));
  RETURN_IF_ERROR(MapIds(step, copy.get(), id_maps, user_namespace));
  ASSIGN_OR_RETURN(UniqueFd target,
                   sys::OpenAt(AT_FDCWD, layers, O_PATH | O_DIRECTORY));
  return sys::AttachMount(copy.get(), target.get());
}

// A detached mount of the image or a part of it. Only what is attached can be
// copied in part (before Linux 6.15), so all of it is attached for a moment.
absl::StatusOr<UniqueFd> OpenImageSource(const plan::MountStep& step,
                                         const std::vector<int>& id_maps,
                                         int user_namespace) {
  plan::OverlayPlan image = step.image();
  // A single layer gets an empty directory below it: an overlay without an
  // upper directory is read-only whatever becomes of its mounts, while the bare
  // layer could be written by a container that may remount.
  if (image.lower_dirs_size() == 1) image.add_lower_dirs(image.mount_point());
  const bool covered = step.id_map() != 0 || step.id_mapped();
  if (covered) {
    RETURN_IF_ERROR(CoverLayers(step, id_maps, user_namespace));
  }
  ASSIGN_OR_RETURN(UniqueFd whole, MountLayers(image));
  ASSIGN_OR_RETURN(UniqueFd part,
                   sys::OpenInRoot(whole.get(), step.sub_path(), O_PATH));
  ASSIGN_OR_RETURN(
      UniqueFd tree,
      sys::OpenTree(part.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE));
  sys::MountAttributes attributes = AttributesOf(step);
  attributes.set |= MOUNT_ATTR_RDONLY;
  attributes.propagation = MS_PRIVATE;
  RETURN_IF_ERROR(sys::MountSetAttr(tree.get(), "", AT_EMPTY_PATH, attributes));
  RETURN_IF_ERROR(sys::Umount(image.mount_point(), MNT_DETACH));
  if (covered) {
    RETURN_IF_ERROR(sys::Umount(image.layers_dir(), MNT_DETACH));
  }
  return tree;
}

absl::Status FillVolume(const plan::MountStep& step, int source, int root) {
  absl::StatusOr<UniqueFd> from =
      sys::OpenInRoot(root, step.target(), O_RDONLY | O_DIRECTORY);
  if (ErrnoOf(from.status()) == ENOENT) return absl::OkStatus();
  if (!from.ok()) return from.status();
  ASSIGN_OR_RETURN(
      UniqueFd to,
      step.id_mapped()
          ? sys::OpenAt(source, ".", O_RDONLY | O_DIRECTORY)
          : sys::OpenAt(AT_FDCWD, step.source(), O_RDONLY | O_DIRECTORY));
  RETURN_IF_ERROR(CopyTree(from->get(), to.get()));
  if (step.selinux_label().empty()) return absl::OkStatus();
  return Relabel(step.source(), step.selinux_label());
}

absl::StatusOr<bool> IsProcfs(int fd) {
  struct statfs info = {};
  if (fstatfs(fd, &info) != 0) return ErrnoStatus(errno, "fstatfs");
  return info.f_type == PROC_SUPER_MAGIC;
}

// Over a procfs only another one may be mounted, else what is written below
// /proc could be led elsewhere (CVE-2019-16884); the planner has let through
// the few harmless files by name, but a symlink of the image must not lead
// other mounts there.
absl::Status CheckProc(const plan::MountStep& step, int mount, int target) {
  ASSIGN_OR_RETURN(bool onto_procfs, IsProcfs(target));
  const bool at_proc = step.target() == "/proc";
  if (!onto_procfs && !at_proc) return absl::OkStatus();
  ASSIGN_OR_RETURN(bool from_procfs, IsProcfs(mount));
  if (from_procfs) return absl::OkStatus();
  if (!at_proc && absl::StartsWith(step.target(), "/proc/")) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "nothing but procfs may be mounted on procfs");
}

// An image whose /proc, /sys or /dev is a symlink would have us set them up
// elsewhere (CVE-2019-19921).
absl::Status RefuseSymlink(int root, absl::string_view target) {
  if (target != "/proc" && target != "/sys" && target != "/dev") {
    return absl::OkStatus();
  }
  absl::StatusOr<struct stat> info =
      sys::StatAt(root, target.substr(1), AT_SYMLINK_NOFOLLOW);
  if (absl::IsNotFound(info.status())) return absl::OkStatus();
  if (!info.ok()) return info.status();
  if (!S_ISLNK(info->st_mode)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(target, " of the image is a symbolic link"));
}

absl::Status Bind(const plan::MountStep& step, int source, int root) {
  // An optional source that is missing.
  if (source < 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(struct stat info, sys::StatFd(source));
  ASSIGN_OR_RETURN(UniqueFd target,
                   S_ISDIR(info.st_mode)
                       ? sys::MkdirAllInRoot(root, step.target(), 0755)
                       : sys::CreateFileInRoot(root, step.target(), 0644));
  RETURN_IF_ERROR(CheckProc(step, source, target.get()));
  return sys::AttachMount(source, target.get());
}

absl::Status Filesystem(const plan::MountStep& step, int root) {
  std::vector<absl::string_view> options(step.options().begin(),
                                         step.options().end());
  ASSIGN_OR_RETURN(UniqueFd mount, NewFilesystem(step.fstype(), step.source(),
                                                 options, step.attributes()));
  if (!step.selinux_label().empty()) {
    RETURN_IF_ERROR(sys::SetLabel(mount.get(), step.selinux_label()));
  }
  ASSIGN_OR_RETURN(UniqueFd target,
                   sys::MkdirAllInRoot(root, step.target(), 0755));
  RETURN_IF_ERROR(CheckProc(step, mount.get(), target.get()));
  return sys::AttachMount(mount.get(), target.get());
}

absl::Status Carry(const plan::MountStep& step, int source, int root,
                   std::vector<std::string>& degraded) {
  RETURN_IF_ERROR(RefuseSymlink(root, step.target()));
  switch (step.kind()) {
    case plan::MountStep::BIND:
    case plan::MountStep::IMAGE:
      return Bind(step, source, root);
    case plan::MountStep::FILESYSTEM:
      return Filesystem(step, root);
    case plan::MountStep::CGROUP:
      return MountCgroups(step, root, degraded);
    default:
      return absl::UnimplementedError(
          absl::StrCat("kind ", static_cast<int>(step.kind())));
  }
}

std::string NameOf(const plan::MountStep& step) {
  switch (step.kind()) {
    case plan::MountStep::BIND:
      return step.source();
    case plan::MountStep::CGROUP:
      return "cgroups";
    case plan::MountStep::IMAGE:
      if (step.sub_path().empty()) return step.source();
      return absl::StrCat("\"", step.sub_path(), "\" of ", step.source());
    default:
      return step.fstype();
  }
}

}  // namespace

absl::StatusOr<std::vector<UniqueFd>> OpenBindSources(
    const plan::InitPlan& plan, const std::vector<int>& id_maps,
    int user_namespace) {
  std::vector<UniqueFd> sources(plan.mounts_size());
  for (int i = 0; i < plan.mounts_size(); ++i) {
    const plan::MountStep& step = plan.mounts(i);
    if (step.kind() != plan::MountStep::BIND) continue;
    ASSIGN_OR_RETURN(
        sources[i], OpenBindSource(step, id_maps, user_namespace),
        absl::StrCat("bind ", step.source(), " to ", step.target()));
  }
  return sources;
}

absl::Status OpenImageSources(const plan::InitPlan& plan,
                              const std::vector<int>& id_maps,
                              int user_namespace,
                              std::vector<UniqueFd>& sources) {
  for (int i = 0; i < plan.mounts_size(); ++i) {
    const plan::MountStep& step = plan.mounts(i);
    if (step.kind() != plan::MountStep::IMAGE) continue;
    ASSIGN_OR_RETURN(
        sources[i], OpenImageSource(step, id_maps, user_namespace),
        absl::StrCat("mount ", NameOf(step), " on ", step.target()));
  }
  return absl::OkStatus();
}

absl::Status FillVolumes(const plan::InitPlan& plan,
                         const std::vector<UniqueFd>& sources, int root) {
  for (int i = 0; i < plan.mounts_size(); ++i) {
    const plan::MountStep& step = plan.mounts(i);
    if (!step.fill_from_rootfs()) continue;
    RETURN_IF_ERROR(FillVolume(step, sources[i].get(), root))
        << "copy what the image has at its volume " << step.target();
  }
  return absl::OkStatus();
}

absl::Status MakeMounts(const plan::InitPlan& plan,
                        const std::vector<UniqueFd>& sources, int root,
                        std::vector<std::string>& degraded) {
  for (int i = 0; i < plan.mounts_size(); ++i) {
    const plan::MountStep& step = plan.mounts(i);
    RETURN_IF_ERROR(Carry(step, sources[i].get(), root, degraded))
        << "mount " << NameOf(step) << " on " << step.target();
  }
  return absl::OkStatus();
}

}  // namespace gantry::init
