// Project quotas: the file system counts what belongs to a project (a number on
// each inode, handed down by directories) and refuses what is beyond its limit.
//
// ext4 and xfs, mounted with "prjquota". Kernel: quotactl_fd(2), Linux 5.14;
// FS_IOC_FSSETXATTR (ioctl_xfs_fsgetxattr(2)).
// Thread safety: thread-safe. Blocks on the disk at most.

#ifndef GANTRY_RUNTIME_ROOTFS_PROJECT_QUOTA_H_
#define GANTRY_RUNTIME_ROOTFS_PROJECT_QUOTA_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"

namespace gantry::rootfs {

// 0: no limit.
struct ProjectLimits {
  uint64_t bytes = 0;  // rounded up to 1 KiB
  uint64_t inodes = 0;

  bool operator==(const ProjectLimits&) const = default;
};

struct ProjectUse {
  uint64_t bytes = 0;  // allocated blocks
  uint64_t inodes = 0;

  bool operator==(const ProjectUse&) const = default;
};

// The project quotas of one file system.
class ProjectQuota {
 public:
  virtual ~ProjectQuota() = default;
  // Of a directory (not O_PATH); 0: none.
  virtual absl::StatusOr<uint32_t> ProjectOf(int dirfd) const = 0;
  // What is made in the directory from now on belongs to it too.
  virtual absl::Status SetProject(int dirfd, uint32_t project) = 0;
  virtual absl::Status SetLimits(uint32_t project,
                                 const ProjectLimits& limits) = 0;
  virtual absl::StatusOr<ProjectUse> UseOf(uint32_t project) const = 0;
};

// Of the file system that `dir` is on, if they are in force there. Else
// FAILED_PRECONDITION; `path` names it in the error.
absl::StatusOr<std::unique_ptr<ProjectQuota>> OpenProjectQuota(
    UniqueFd dir, const std::string& path);

}  // namespace gantry::rootfs

#endif  // GANTRY_RUNTIME_ROOTFS_PROJECT_QUOTA_H_
