// The writable layer of a container: ROOT/containers/ID/{upper,work}, and the
// plan of its overlay. Nothing is mounted here: the plan is data for the shim's
// init, which mounts it in the container's own mount namespace.
//
// A layer may have a limit, where the file system has project quotas: writes
// beyond it fail with EDQUOT or ENOSPC. What an image's volumes take
// (ROOT/containers/ID/volumes) counts too.
//
// Thread safety: thread-safe for different ids; callers serialise one id.
// Blocks on the disk. Errors: INVALID_ARGUMENT for an id that is no file name.

#ifndef GANTRY_RUNTIME_ROOTFS_SNAPSHOTTER_H_
#define GANTRY_RUNTIME_ROOTFS_SNAPSHOTTER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "runtime/rootfs/layer_limits.h"
#include "runtime/rootfs/project_quota.h"
#include "runtime/rootfs/usage.h"

namespace gantry::rootfs {

struct OverlayPlan {
  std::string layers_dir;               // absolute; what lower_dirs count from
  std::vector<std::string> lower_dirs;  // topmost first, as overlay wants them
  std::string upper;                    // absolute
  std::string work;                     // absolute
};

class Snapshotter {
 public:
  // `root` is the absolute path of an existing directory that only root can
  // enter; `layers_dir` the absolute path of the layer store's directory.
  // `quota`: for tests; null: that of the file system, if it has one.
  static absl::StatusOr<std::unique_ptr<Snapshotter>> Open(
      std::string root, std::string layers_dir,
      std::unique_ptr<ProjectQuota> quota = nullptr);

  // FAILED_PRECONDITION, with the reason, if layers cannot have limits here.
  const absl::Status& CanLimit() const { return can_limit_; }

  // Makes the directories, or finds them as an earlier Prepare of this id left
  // them. `lower_dirs`: names relative to layers_dir, bottom layer first; an
  // image without layers gets an empty directory of its own as lower layer.
  // What is made first has the topmost layer's mode and owner, for the
  // container's "/". NOT_FOUND if that layer is not there.
  // `limit`: bytes that the layer may take, 0 for any; else as CanLimit says.
  absl::StatusOr<OverlayPlan> Prepare(
      absl::string_view id, const std::vector<std::string>& lower_dirs,
      uint64_t limit = 0);
  // Lets what will be in `directory`, which is empty, count as the layer's.
  absl::Status CountAsLayers(absl::string_view id, int directory);
  // Of upper only: what the container wrote. With a limit: what counts for it.
  absl::StatusOr<Usage> UsageOf(absl::string_view id) const;
  // With all directories that are in its own. A file there is the caller's (the
  // container's record): it stays, and the directory with it. Unknown is OK;
  // refuses to go into a mount.
  absl::Status Remove(absl::string_view id);
  // Every id there is, half-made ones included.
  absl::StatusOr<std::vector<std::string>> List() const;

 private:
  Snapshotter() = default;
  absl::Status OpenLimits(std::unique_ptr<ProjectQuota> quota);
  absl::Status MakeUpper(int dir, const std::vector<std::string>& lower_dirs);
  absl::Status Limit(const std::string& id, int dir, uint64_t bytes);

  std::string root_;
  std::string layers_dir_;
  UniqueFd containers_;
  absl::Status can_limit_;
  std::unique_ptr<LayerLimits> limits_;  // null: can_limit_ says why
};

}  // namespace gantry::rootfs

#endif  // GANTRY_RUNTIME_ROOTFS_SNAPSHOTTER_H_
