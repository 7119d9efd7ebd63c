#include "shim/init/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"
#include "runtime/sys/mount.h"
#include "shim/init/filesystem.h"

namespace gantry::init {
namespace {

// An invalid descriptor if there is nothing at `path`.
absl::StatusOr<UniqueFd> OpenIfThere(int root, absl::string_view path) {
  absl::StatusOr<UniqueFd> fd = sys::OpenInRoot(root, path, O_PATH);
  const int error_number = ErrnoOf(fd.status());
  if (error_number == ENOENT || error_number == ENOTDIR) return UniqueFd();
  return fd;
}

absl::StatusOr<UniqueFd> CloneMount(int fd, unsigned flags) {
  return sys::OpenTree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | flags);
}

class Masker {
 public:
  explicit Masker(int null) : null_(null) {}

  absl::Status Mask(int target) {
    ASSIGN_OR_RETURN(struct stat info, sys::StatFd(target));
    if (!S_ISDIR(info.st_mode)) {
      ASSIGN_OR_RETURN(UniqueFd cover, CloneMount(null_, 0));
      return sys::AttachMount(cover.get(), target);
    }
    if (empty_) {
      ASSIGN_OR_RETURN(UniqueFd cover, CloneMount(empty_.get(), 0));
      return sys::AttachMount(cover.get(), target);
    }
    // Only a mount that is attached can be copied: the first is its own.
    ASSIGN_OR_RETURN(
        UniqueFd cover,
        NewFilesystem("tmpfs", "tmpfs", {"mode=555", "size=4k", "nr_inodes=2"},
                      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                          MOUNT_ATTR_NOEXEC));
    RETURN_IF_ERROR(sys::AttachMount(cover.get(), target));
    empty_ = std::move(cover);
    return absl::OkStatus();
  }

 private:
  int null_;
  UniqueFd empty_;
};

}  // namespace

absl::Status MaskPaths(const plan::InitPlan& plan, int root, int null) {
  Masker masker(null);
  for (const std::string& path : plan.masked_paths()) {
    ASSIGN_OR_RETURN(UniqueFd target, OpenIfThere(root, path));
    if (!target) continue;
    RETURN_IF_ERROR(masker.Mask(target.get())) << "mask " << path;
  }
  return absl::OkStatus();
}

absl::Status ProtectPaths(const plan::InitPlan& plan, int root) {
  for (const std::string& path : plan.readonly_paths()) {
    ASSIGN_OR_RETURN(UniqueFd target, OpenIfThere(root, path));
    if (!target) continue;
    ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(target.get(), AT_RECURSIVE));
    RETURN_IF_ERROR(sys::MountSetAttr(tree.get(), "",
                                      AT_EMPTY_PATH | AT_RECURSIVE,
                                      {.set = MOUNT_ATTR_RDONLY}))
        << "make " << path << " read-only";
    RETURN_IF_ERROR(sys::AttachMount(tree.get(), target.get()))
        << "make " << path << " read-only";
  }
  return absl::OkStatus();
}

}  // namespace gantry::init
