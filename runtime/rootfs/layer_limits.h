// Which project (project_quota.h) each limited writable layer is.
//
// A number is picked that no layer has and that nothing on the file system is
// counted for: others (a kubelet, a second gantryd) pick numbers there too. The
// truth is the number on the layer's directories, so nothing is lost by a
// crash. Thread safety: thread-safe; callers serialise one id. Blocks on the
// disk.

#ifndef GANTRY_RUNTIME_ROOTFS_LAYER_LIMITS_H_
#define GANTRY_RUNTIME_ROOTFS_LAYER_LIMITS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "runtime/rootfs/project_quota.h"

namespace gantry::rootfs {

// Far from where kubelets (1048577 and up) and Docker (1 and up) pick theirs.
inline constexpr uint32_t kFirstProject = 0x47610000;
inline constexpr uint32_t kProjects = 0x10000;
// A layer may have one inode for so many bytes of its limit, and some for a
// start: files without content take no block, and shall not use up all inodes.
inline constexpr uint64_t kBytesPerInode = 4096;
inline constexpr uint64_t kLeastInodes = 1024;

class LayerLimits {
 public:
  // `seed`: where to begin picking; file systems with several users of this
  // class are spared some questions if theirs differ.
  LayerLimits(std::unique_ptr<ProjectQuota> quota, uint64_t seed);

  // Takes note of the layer `id` if the directory is of a project.
  absl::Status Recover(const std::string& id, int dirfd);
  // `dirs`: empty directories that are the layer's. RESOURCE_EXHAUSTED without
  // a free number.
  absl::Status Limit(const std::string& id, uint64_t bytes,
                     std::span<const int> dirs);
  // Another empty directory of the layer; nothing to do for one without a
  // limit.
  absl::Status Join(const std::string& id, int dirfd);
  // Unset for a layer without a limit.
  std::optional<uint32_t> ProjectOf(const std::string& id) const;
  absl::StatusOr<ProjectUse> UseOf(uint32_t project) const {
    return quota_->UseOf(project);
  }
  // Before the layer is removed: takes its limit away. Release, once it is
  // gone, lets others have its number. Without a limit: nothing to do.
  absl::Status Lift(const std::string& id);
  void Release(const std::string& id);

 private:
  // Reserves it.
  std::optional<uint32_t> Pick();

  const std::unique_ptr<ProjectQuota> quota_;
  mutable absl::Mutex mutex_;
  uint32_t next_ ABSL_GUARDED_BY(mutex_);  // from 0
  // Of layers, and what was found to be others'.
  std::set<uint32_t> taken_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, uint32_t> projects_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::rootfs

#endif  // GANTRY_RUNTIME_ROOTFS_LAYER_LIMITS_H_
