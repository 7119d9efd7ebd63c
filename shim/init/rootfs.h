// The container's root file system: its overlay, and the change into it.
//
// Order matters (init.cc): DetachFromHost before anything is mounted, EnterRoot
// when everything that needs the host's tree has been done.
// Thread safety: changes the calling process's mount namespace.

#ifndef GANTRY_SHIM_INIT_ROOTFS_H_
#define GANTRY_SHIM_INIT_ROOTFS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/plan.pb.h"
#include "runtime/base/unique_fd.h"

namespace gantry::init {

// Mounts of the host still come in, none made here goes out.
absl::Status DetachFromHost();

// Mounts the rootfs and gives its root directory. Any number of layers that
// the kernel takes (500): by name relative to layers_dir, one call per layer
// where the kernel has that (6.5), else in one option string of a page, with
// short names where the layers' own would not fit.
// Changes the working directory. With `id_mapped` layers: two mounts, one of
// all layers and one of the writable directories, take the ids of
// `user_namespace` (-1: none), however many layers there are; they stay behind
// with the host's tree. Upper and work directory must then lie in one
// directory.
absl::StatusOr<UniqueFd> MountRootfs(const plan::RootfsPlan& plan,
                                     int user_namespace);

// Mounts layers on plan.mount_point() and gives the root of what is there, as
// MountRootfs does for the rootfs: an overlay, or the layer itself if there is
// one only and nothing to write to. Changes the working directory.
absl::StatusOr<UniqueFd> MountLayers(const plan::OverlayPlan& plan);

// The option string of mount(2) for an overlay, layers relative to layers_dir
// (Documentation/filesystems/overlayfs.rst). INVALID_ARGUMENT if it is longer
// than the page that mount(2) takes.
absl::StatusOr<std::string> OverlayOptions(const plan::OverlayPlan& plan);

// Makes `root` the root directory and drops the host's tree.
absl::Status EnterRoot(int root);

// Makes the mount at `root` read-only; those below it stay as they are.
absl::Status MakeRootReadOnly(int root);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_ROOTFS_H_
