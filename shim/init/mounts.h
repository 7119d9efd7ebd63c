// The mounts below the rootfs: file systems of its own, the container's
// cgroups, and binds from the host.
//
// Targets are resolved inside the rootfs and mounted on by descriptor, so that
// no symlink, and no race on one, leads a mount elsewhere.
// Thread safety: changes the calling process's mount namespace.

#ifndef GANTRY_SHIM_INIT_MOUNTS_H_
#define GANTRY_SHIM_INIT_MOUNTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/plan.pb.h"
#include "runtime/base/unique_fd.h"

namespace gantry::init {

// Detached copies of the host's trees that are to be bound, one per mount step
// (none for other kinds and for optional sources that are missing), with their
// attributes, id mapping and propagation set. To be called before
// DetachFromHost, which would take the copies out of their peer groups.
// `id_maps`: a user namespace for each of plan.id_maps(); `user_namespace`: the
// one that is joined, or -1. UNIMPLEMENTED where the source's file system has
// no id-mapped mounts.
absl::StatusOr<std::vector<UniqueFd>> OpenBindSources(
    const plan::InitPlan& plan, const std::vector<int>& id_maps,
    int user_namespace);

// The same for the steps of kind IMAGE, added to `sources`; to be called after
// DetachFromHost and before MountRootfs, whose mount point is used for it. What
// is not in an image is NOT_FOUND.
absl::Status OpenImageSources(const plan::InitPlan& plan,
                              const std::vector<int>& id_maps,
                              int user_namespace,
                              std::vector<UniqueFd>& sources);

// Copies what the bare rootfs has at the targets of steps with fill_from_rootfs
// to their sources on the host, before anything is mounted over it. Through the
// copies in `sources` where ids are mapped: on the disk are the ids inside.
absl::Status FillVolumes(const plan::InitPlan& plan,
                         const std::vector<UniqueFd>& sources, int root);

// Carries out the mount steps in order. `sources` as OpenBindSources and
// OpenImageSources gave them.
absl::Status MakeMounts(const plan::InitPlan& plan,
                        const std::vector<UniqueFd>& sources, int root,
                        std::vector<std::string>& degraded);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_MOUNTS_H_
