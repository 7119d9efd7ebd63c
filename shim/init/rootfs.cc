#include "shim/init/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"
#include "shim/init/filesystem.h"

namespace gantry::init {
namespace {

// What mount(2) copies of its data argument, with the final zero.
constexpr size_t kMountDataSize = 4096;
constexpr unsigned kDirectory = O_PATH | O_DIRECTORY;

// A comma ends an option and a backslash escapes.
std::string Escape(absl::string_view path) {
  std::string escaped;
  for (char c : path) {
    if (c == ',' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

bool HasUpper(const plan::OverlayPlan& plan) {
  return !plan.upper_dir().empty();
}

// UNIMPLEMENTED or INVALID_ARGUMENT where the kernel does not know
// "lowerdir+"; INVALID_ARGUMENT for paths over the 255 bytes of fsconfig(2).
absl::StatusOr<UniqueFd> NewOverlay(const plan::OverlayPlan& plan) {
  ASSIGN_OR_RETURN(UniqueFd context, sys::FsOpen("overlay"));
  RETURN_IF_ERROR(sys::FsConfigString(context.get(), "source", "overlay"));
  for (const std::string& dir : plan.lower_dirs()) {
    RETURN_IF_ERROR(sys::FsConfigString(context.get(), "lowerdir+", dir));
  }
  if (HasUpper(plan)) {
    RETURN_IF_ERROR(
        sys::FsConfigString(context.get(), "upperdir", plan.upper_dir()));
    RETURN_IF_ERROR(
        sys::FsConfigString(context.get(), "workdir", plan.work_dir()));
    RETURN_IF_ERROR(sys::FsConfigString(context.get(), "index", "off"));
  }
  if (!plan.selinux_context().empty()) {
    RETURN_IF_ERROR(
        sys::FsConfigString(context.get(), "context", plan.selinux_context()));
  }
  RETURN_IF_ERROR(sys::FsConfigCreate(context.get()));
  return sys::FsMount(context.get(), 0);
}

// One read-only layer: overlayfs wants two.
absl::StatusOr<UniqueFd> SingleLayer(const plan::OverlayPlan& plan) {
  ASSIGN_OR_RETURN(UniqueFd mount, sys::OpenTree(AT_FDCWD, plan.lower_dirs(0),
                                                 OPEN_TREE_CLONE));
  RETURN_IF_ERROR(sys::MountSetAttr(mount.get(), "", AT_EMPTY_PATH,
                                    {.set = MOUNT_ATTR_RDONLY}));
  return mount;
}

// From here on the directory, in this mount namespace, is a mount of itself
// with mapped ids: overlayfs itself cannot be mounted so, what it consists of
// can.
absl::Status MapInPlace(const std::string& directory, int user_namespace) {
  ASSIGN_OR_RETURN(UniqueFd tree,
                   sys::OpenTree(AT_FDCWD, directory, OPEN_TREE_CLONE));
  RETURN_IF_ERROR(sys::MountSetAttr(tree.get(), "", AT_EMPTY_PATH,
                                    {.set = MOUNT_ATTR_IDMAP,
                                     .propagation = MS_PRIVATE,
                                     .userns_fd = user_namespace}));
  ASSIGN_OR_RETURN(UniqueFd target,
                   sys::OpenAt(AT_FDCWD, directory, kDirectory));
  return sys::AttachMount(tree.get(), target.get());
}

std::string ParentOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

absl::Status MapLayers(const plan::OverlayPlan& plan, int user_namespace) {
  RETURN_IF_ERROR(MapInPlace(plan.layers_dir(), user_namespace))
      << "map the ids of the layers";
  if (!HasUpper(plan)) return absl::OkStatus();
  const std::string parent = ParentOf(plan.upper_dir());
  if (parent.empty() || ParentOf(plan.work_dir()) != parent) {
    return absl::InvalidArgumentError(
        absl::StrCat("map ids: ", plan.upper_dir(), " and ", plan.work_dir(),
                     " do not lie in one directory"));
  }
  RETURN_IF_ERROR(MapInPlace(parent, user_namespace))
      << "map the ids of the writable layer";
  return absl::OkStatus();
}

// The plan with names of a few bytes for the layers, as they are called in
// /proc/self/fd, which is the working directory from now on.
absl::StatusOr<plan::OverlayPlan> NamedByDescriptor(
    const plan::OverlayPlan& plan, std::vector<UniqueFd>& layers) {
  plan::OverlayPlan named = plan;
  named.clear_lower_dirs();
  for (const std::string& dir : plan.lower_dirs()) {
    ASSIGN_OR_RETURN(UniqueFd layer, sys::OpenAt(AT_FDCWD, dir, kDirectory));
    named.add_lower_dirs(absl::StrCat(layer.get()));
    layers.push_back(std::move(layer));
  }
  if (chdir("/proc/self/fd") != 0) {
    return ErrnoStatus(errno, "chdir to /proc/self/fd");
  }
  return named;
}

// A tmpfs with nothing in it. It needs a mount point that every host has.
absl::StatusOr<UniqueFd> MountEmpty() {
  ASSIGN_OR_RETURN(UniqueFd mount,
                   NewFilesystem("tmpfs", "tmpfs", {"mode=755", "size=16k"},
                                 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  ASSIGN_OR_RETURN(UniqueFd target, sys::OpenAt(AT_FDCWD, "/proc", kDirectory));
  RETURN_IF_ERROR(sys::AttachMount(mount.get(), target.get()));
  return mount;
}

}  // namespace

absl::Status DetachFromHost() {
  return sys::Mount("", "/", "", MS_REC | MS_SLAVE);
}

absl::StatusOr<std::string> OverlayOptions(const plan::OverlayPlan& plan) {
  std::string options = "lowerdir=";
  absl::string_view separator = "";
  for (const std::string& dir : plan.lower_dirs()) {
    absl::StrAppend(&options, separator, dir);
    separator = ":";
  }
  if (HasUpper(plan)) {
    absl::StrAppend(&options, ",upperdir=", Escape(plan.upper_dir()),
                    ",workdir=", Escape(plan.work_dir()), ",index=off");
  }
  // In quotes: a level has commas.
  if (!plan.selinux_context().empty()) {
    absl::StrAppend(&options, ",context=\"", plan.selinux_context(), "\"");
  }
  if (options.size() >= kMountDataSize) {
    return absl::InvalidArgumentError(absl::StrCat(
        "overlay of ", plan.lower_dirs_size(), " layers: this kernel takes ",
        kMountDataSize - 1, " bytes of options, not ", options.size()));
  }
  return options;
}

absl::StatusOr<UniqueFd> MountLayers(const plan::OverlayPlan& plan) {
  ASSIGN_OR_RETURN(UniqueFd layers,
                   sys::OpenAt(AT_FDCWD, plan.layers_dir(), kDirectory));
  if (fchdir(layers.get()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("chdir to ", plan.layers_dir()));
  }
  const bool single = !HasUpper(plan) && plan.lower_dirs_size() == 1;
  absl::StatusOr<UniqueFd> mount =
      single ? SingleLayer(plan) : NewOverlay(plan);
  if (mount.ok()) {
    ASSIGN_OR_RETURN(UniqueFd target,
                     sys::OpenAt(AT_FDCWD, plan.mount_point(), kDirectory));
    RETURN_IF_ERROR(sys::AttachMount(mount->get(), target.get()));
    return mount;
  }
  if (single) return mount.status();
  // The classic call is the one whose answer counts: where both fail the
  // reason is the layers', not the interface's; unless it cannot even be asked.
  absl::StatusOr<std::string> options = OverlayOptions(plan);
  std::vector<UniqueFd> held;
  if (!options.ok()) {
    // Some sixty layers fill what the call takes; an image may have 127.
    ASSIGN_OR_RETURN(const plan::OverlayPlan named,
                     NamedByDescriptor(plan, held));
    options = OverlayOptions(named);
  }
  if (!options.ok()) {
    return Annotate(mount.status(), options.status().message());
  }
  RETURN_IF_ERROR(
      sys::Mount("overlay", plan.mount_point(), "overlay", 0, *options));
  return sys::OpenAt(AT_FDCWD, plan.mount_point(), kDirectory);
}

absl::StatusOr<UniqueFd> MountRootfs(const plan::RootfsPlan& plan,
                                     int user_namespace) {
  if (!plan.has_overlay()) {
    ASSIGN_OR_RETURN(UniqueFd root, MountEmpty(), "mount an empty rootfs");
    return root;
  }
  if (plan.overlay().id_mapped()) {
    RETURN_IF_ERROR(MapLayers(plan.overlay(), user_namespace));
  }
  ASSIGN_OR_RETURN(
      UniqueFd root, MountLayers(plan.overlay()),
      absl::StrCat("mount overlay on ", plan.overlay().mount_point()));
  return root;
}

absl::Status EnterRoot(int root) {
  if (fchdir(root) != 0) return ErrnoStatus(errno, "chdir to the rootfs");
  // The old root comes to lie on the new one and is taken off again
  // (pivot_root(2), NOTES): no directory in the rootfs is needed.
  RETURN_IF_ERROR(sys::PivotRoot(".", "."));
  RETURN_IF_ERROR(sys::Umount(".", MNT_DETACH));
  if (chdir("/") != 0) return ErrnoStatus(errno, "chdir to /");
  return absl::OkStatus();
}

absl::Status MakeRootReadOnly(int root) {
  return sys::MountSetAttr(root, "", AT_EMPTY_PATH, {.set = MOUNT_ATTR_RDONLY});
}

}  // namespace gantry::init
