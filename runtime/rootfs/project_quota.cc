#include "runtime/rootfs/project_quota.h"

#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::rootfs {
namespace {

// QIF_DQBLKSIZE: what block limits are counted in.
constexpr uint64_t kBlock = 1024;

// The generic commands serve xfs as well (fs/quota/quota.c).
int Quotactl(int fd, int command, uint32_t project, void* argument) {
  return static_cast<int>(
      syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), project, argument));
}

class FilesystemQuota : public ProjectQuota {
 public:
  explicit FilesystemQuota(UniqueFd dir) : dir_(std::move(dir)) {}

  absl::StatusOr<uint32_t> ProjectOf(int dirfd) const override {
    fsxattr attributes = {};
    if (ioctl(dirfd, FS_IOC_FSGETXATTR, &attributes) != 0) {
      return ErrnoStatus(errno, "read the project of a directory");
    }
    return attributes.fsx_projid;
  }

  absl::Status SetProject(int dirfd, uint32_t project) override {
    fsxattr attributes = {};
    if (ioctl(dirfd, FS_IOC_FSGETXATTR, &attributes) != 0) {
      return ErrnoStatus(errno, "read the project of a directory");
    }
    attributes.fsx_projid = project;
    attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    if (ioctl(dirfd, FS_IOC_FSSETXATTR, &attributes) != 0) {
      return ErrnoStatus(errno, "set the project of a directory");
    }
    return absl::OkStatus();
  }

  absl::Status SetLimits(uint32_t project,
                         const ProjectLimits& limits) override {
    if_dqblk quota = {};
    quota.dqb_bhardlimit = (limits.bytes + kBlock - 1) / kBlock;
    quota.dqb_ihardlimit = limits.inodes;
    quota.dqb_valid = QIF_LIMITS;
    if (Quotactl(dir_.get(), Q_SETQUOTA, project, &quota) != 0) {
      return ErrnoStatus(errno, absl::StrCat("limit project ", project));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<ProjectUse> UseOf(uint32_t project) const override {
    if_dqblk quota = {};
    if (Quotactl(dir_.get(), Q_GETQUOTA, project, &quota) != 0) {
      // xfs knows only projects that something was counted for.
      if (errno == ENOENT) return ProjectUse();
      return ErrnoStatus(errno, absl::StrCat("read use of project ", project));
    }
    return ProjectUse{.bytes = quota.dqb_curspace,
                      .inodes = quota.dqb_curinodes};
  }

 private:
  const UniqueFd dir_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ProjectQuota>> OpenProjectQuota(
    UniqueFd dir, const std::string& path) {
  fs_quota_statv state = {};
  state.qs_version = FS_QSTATV_VERSION1;
  const auto refused = [&](absl::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the file system of ", path, " ", why,
        "; ext4 with the feature \"project\" or xfs, mounted with prjquota, "
        "and Linux 5.14 are needed"));
  };
  if (Quotactl(dir.get(), Q_XGETQSTATV, 0, &state) != 0) {
    return refused(
        absl::StrCat("has no project quotas (", ErrnoName(errno), ")"));
  }
  if ((state.qs_flags & FS_QUOTA_PDQ_ENFD) == 0) {
    return refused("does not enforce project quotas");
  }
  return std::make_unique<FilesystemQuota>(std::move(dir));
}

}  // namespace gantry::rootfs
