#include "runtime/rootfs/snapshotter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/undo_stack.h"
#include "runtime/sys/file.h"

namespace gantry::rootfs {
namespace {

constexpr char kContainers[] = "containers";
constexpr char kUpper[] = "upper";
constexpr char kWork[] = "work";
constexpr char kEmpty[] = "empty";
// Of "/" in a container whose image says nothing about it.
constexpr mode_t kTopMode = 0755;

bool IsId(absl::string_view id) {
  return !id.empty() && id.size() <= 128 && id[0] != '.' &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
         });
}

absl::Status CheckId(absl::string_view id) {
  if (IsId(id)) return absl::OkStatus();
  return absl::InvalidArgumentError("writable layer: the id is no file name");
}

// A lower directory is named below the layers' directory and nowhere else.
absl::Status CheckLower(absl::string_view dir) {
  if (dir.empty() || absl::StartsWith(dir, "/") ||
      absl::StrContains(absl::StrCat("/", dir, "/"), "/../") ||
      dir.find_first_of(absl::string_view(":\\,\0", 4)) !=
          absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("lower directory \"", dir, "\" is not usable"));
  }
  return absl::OkStatus();
}

// With exactly this mode, whatever the umask; one that exists keeps its own.
absl::Status MkdirIfMissing(int dirfd, const char* name, mode_t mode) {
  absl::Status made = sys::MkdirAt(dirfd, name, mode);
  if (absl::IsAlreadyExists(made)) return absl::OkStatus();
  RETURN_IF_ERROR(made);
  if (fchmodat(dirfd, name, mode, 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("chmod ", name));
  }
  return absl::OkStatus();
}

// Some file systems do not say in a listing.
bool IsDirectory(int dir, const sys::DirEntry& entry) {
  if (entry.type != DT_UNKNOWN) return entry.type == DT_DIR;
  const absl::StatusOr<struct stat> info =
      sys::StatAt(dir, entry.name, AT_SYMLINK_NOFOLLOW);
  return info.ok() && S_ISDIR(info->st_mode);
}

absl::Status RemoveDirectories(int containers, const std::string& name) {
  absl::StatusOr<UniqueFd> dir =
      sys::OpenAt(containers, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (absl::IsNotFound(dir.status())) return absl::OkStatus();
  RETURN_IF_ERROR(dir);
  ASSIGN_OR_RETURN(const std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(dir->get(), "."));
  bool has_files = false;
  for (const sys::DirEntry& entry : entries) {
    if (IsDirectory(dir->get(), entry)) {
      RETURN_IF_ERROR(sys::RemoveTreeAt(dir->get(), entry.name));
    } else {
      has_files = true;
    }
  }
  return has_files ? absl::OkStatus() : sys::RmdirAt(containers, name);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Snapshotter>> Snapshotter::Open(
    std::string root, std::string layers_dir,
    std::unique_ptr<ProjectQuota> quota) {
  auto snapshotter = std::unique_ptr<Snapshotter>(new Snapshotter);
  if (!absl::StartsWith(root, "/") || !absl::StartsWith(layers_dir, "/")) {
    return absl::InvalidArgumentError(
        "writable layers: paths must be absolute");
  }
  ASSIGN_OR_RETURN(UniqueFd root_fd,
                   sys::OpenAt(AT_FDCWD, root, O_PATH | O_DIRECTORY));
  RETURN_IF_ERROR(MkdirIfMissing(root_fd.get(), kContainers, 0700));
  ASSIGN_OR_RETURN(snapshotter->containers_,
                   sys::OpenAt(root_fd.get(), kContainers,
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  snapshotter->root_ = std::move(root);
  snapshotter->layers_dir_ = std::move(layers_dir);
  RETURN_IF_ERROR(snapshotter->OpenLimits(std::move(quota)))
      << "writable layers";
  return snapshotter;
}

absl::Status Snapshotter::OpenLimits(std::unique_ptr<ProjectQuota> quota) {
  if (quota == nullptr) {
    ASSIGN_OR_RETURN(UniqueFd dir, sys::Duplicate(containers_.get()));
    absl::StatusOr<std::unique_ptr<ProjectQuota>> opened =
        OpenProjectQuota(std::move(dir), root_);
    can_limit_ = opened.status();
    if (!opened.ok()) return absl::OkStatus();
    quota = *std::move(opened);
  }
  ASSIGN_OR_RETURN(struct stat dir, sys::StatFd(containers_.get()));
  limits_ = std::make_unique<LayerLimits>(std::move(quota), dir.st_ino);
  ASSIGN_OR_RETURN(std::vector<std::string> ids, List());
  for (const std::string& id : ids) {
    absl::StatusOr<UniqueFd> upper =
        sys::OpenAt(containers_.get(), absl::StrCat(id, "/", kUpper),
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (absl::IsNotFound(upper.status())) continue;  // half made
    RETURN_IF_ERROR(upper);
    RETURN_IF_ERROR(limits_->Recover(id, upper->get())) << id;
  }
  return absl::OkStatus();
}

absl::Status Snapshotter::Limit(const std::string& id, int dir,
                                uint64_t bytes) {
  RETURN_IF_ERROR(can_limit_);
  ASSIGN_OR_RETURN(
      UniqueFd upper,
      sys::OpenAt(dir, kUpper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  ASSIGN_OR_RETURN(
      UniqueFd work,
      sys::OpenAt(dir, kWork, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  // Both: overlay renames from one to the other, which must not leave the
  // project.
  const int dirs[] = {upper.get(), work.get()};
  return limits_->Limit(id, bytes, dirs);
}

// Overlay shows the upper directory's mode and owner as the container's "/":
// they are what the topmost layer says.
absl::Status Snapshotter::MakeUpper(
    int dir, const std::vector<std::string>& lower_dirs) {
  absl::Status made = sys::MkdirAt(dir, kUpper, 0700);
  if (absl::IsAlreadyExists(made)) return absl::OkStatus();
  RETURN_IF_ERROR(made);
  ASSIGN_OR_RETURN(
      UniqueFd upper,
      sys::OpenAt(dir, kUpper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  mode_t mode = kTopMode;
  if (!lower_dirs.empty()) {
    ASSIGN_OR_RETURN(
        struct stat top,
        sys::StatAt(AT_FDCWD, absl::StrCat(layers_dir_, "/", lower_dirs.back()),
                    AT_SYMLINK_NOFOLLOW));
    if (fchown(upper.get(), top.st_uid, top.st_gid) != 0) {
      return ErrnoStatus(errno, "chown upper");
    }
    mode = top.st_mode & 07777;
  }
  if (fchmod(upper.get(), mode) != 0) return ErrnoStatus(errno, "chmod upper");
  return absl::OkStatus();
}

absl::StatusOr<OverlayPlan> Snapshotter::Prepare(
    absl::string_view id, const std::vector<std::string>& lower_dirs,
    uint64_t limit) {
  RETURN_IF_ERROR(CheckId(id));
  for (const std::string& dir : lower_dirs) RETURN_IF_ERROR(CheckLower(dir));
  const std::string name(id);
  UndoStack undo;
  absl::Status made = sys::MkdirAt(containers_.get(), name, 0700);
  if (made.ok()) {
    undo.Push("remove writable layer", [this, name] {
      return sys::RemoveTreeAt(containers_.get(), name);
    });
  } else if (!absl::IsAlreadyExists(made)) {
    return made;
  }
  ASSIGN_OR_RETURN(UniqueFd dir,
                   sys::OpenAt(containers_.get(), name,
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  RETURN_IF_ERROR(MakeUpper(dir.get(), lower_dirs));
  RETURN_IF_ERROR(MkdirIfMissing(dir.get(), kWork, 0700));
  if (lower_dirs.empty()) {
    RETURN_IF_ERROR(MkdirIfMissing(dir.get(), kEmpty, kTopMode));
  }
  if (limit > 0) {
    RETURN_IF_ERROR(Limit(name, dir.get(), limit)) << "limit of the layer";
  }
  undo.Commit();
  const std::string base = absl::StrCat(root_, "/", kContainers, "/", name);
  OverlayPlan plan = {.layers_dir = layers_dir_,
                      .lower_dirs = {lower_dirs.rbegin(), lower_dirs.rend()},
                      .upper = absl::StrCat(base, "/", kUpper),
                      .work = absl::StrCat(base, "/", kWork)};
  if (lower_dirs.empty()) {
    plan.layers_dir = base;
    plan.lower_dirs.push_back(kEmpty);
  }
  return plan;
}

absl::Status Snapshotter::CountAsLayers(absl::string_view id, int directory) {
  RETURN_IF_ERROR(CheckId(id));
  if (limits_ == nullptr) return absl::OkStatus();
  return limits_->Join(std::string(id), directory);
}

absl::StatusOr<Usage> Snapshotter::UsageOf(absl::string_view id) const {
  RETURN_IF_ERROR(CheckId(id));
  if (limits_ != nullptr) {
    const std::optional<uint32_t> project = limits_->ProjectOf(std::string(id));
    if (project) {
      ASSIGN_OR_RETURN(ProjectUse use, limits_->UseOf(*project));
      return Usage{.bytes = static_cast<int64_t>(use.bytes),
                   .inodes = static_cast<int64_t>(use.inodes)};
    }
  }
  ASSIGN_OR_RETURN(
      UniqueFd dir,
      sys::OpenAt(containers_.get(), id, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  ASSIGN_OR_RETURN(
      UniqueFd upper,
      sys::OpenAt(dir.get(), kUpper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return rootfs::UsageOf(upper.get());
}

absl::Status Snapshotter::Remove(absl::string_view id) {
  RETURN_IF_ERROR(CheckId(id));
  const std::string name(id);
  if (limits_ != nullptr) {
    RETURN_IF_ERROR(limits_->Lift(name)) << "remove writable layer";
  }
  RETURN_IF_ERROR(RemoveDirectories(containers_.get(), name));
  if (limits_ != nullptr) limits_->Release(name);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Snapshotter::List() const {
  ASSIGN_OR_RETURN(std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(containers_.get(), "."));
  std::vector<std::string> ids;
  for (sys::DirEntry& entry : entries) {
    if (IsId(entry.name)) ids.push_back(std::move(entry.name));
  }
  return ids;
}

}  // namespace gantry::rootfs
