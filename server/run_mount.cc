#include "server/run_mount.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"

namespace gantry::server {
namespace {

// The uppermost mount at `directory`; null if there is none.
const sys::MountInfo* MountAt(const std::vector<sys::MountInfo>& table,
                              absl::string_view directory) {
  const sys::MountInfo* found = nullptr;
  for (const sys::MountInfo& mount : table) {
    if (mount.mount_point == directory) found = &mount;
  }
  return found;
}

struct Look {
  // As the mount table has it: without symbolic links.
  std::string directory;
  std::vector<sys::MountInfo> table;
};

absl::StatusOr<Look> LookAt(const std::string& directory) {
  Look look;
  ASSIGN_OR_RETURN(UniqueFd fd,
                   sys::OpenAt(AT_FDCWD, directory, O_PATH | O_DIRECTORY));
  ASSIGN_OR_RETURN(
      look.directory,
      sys::ReadlinkAt(AT_FDCWD, absl::StrCat("/proc/self/fd/", fd.get())));
  ASSIGN_OR_RETURN(UniqueFd proc,
                   sys::OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY));
  ASSIGN_OR_RETURN(look.table, sys::ReadMountinfo(proc.get()));
  return look;
}

}  // namespace

RunMount FindRunMount(const std::vector<sys::MountInfo>& table,
                      absl::string_view directory) {
  if (const sys::MountInfo* mount = MountAt(table, directory)) {
    const bool shared = std::any_of(mount->tags.begin(), mount->tags.end(),
                                    [](const std::string& tag) {
                                      return absl::StartsWith(tag, "shared:") ||
                                             absl::StartsWith(tag, "master:");
                                    });
    return shared ? RunMount::kShared : RunMount::kPrivate;
  }
  const std::string below = absl::StrCat(directory, "/");
  const bool pins = std::any_of(
      table.begin(), table.end(), [&below](const sys::MountInfo& mount) {
        return absl::StartsWith(mount.mount_point, below);
      });
  return pins ? RunMount::kHidesPins : RunMount::kAbsent;
}

bool IsBindOfItself(const std::vector<sys::MountInfo>& table,
                    absl::string_view directory) {
  const sys::MountInfo* mount = MountAt(table, directory);
  if (mount == nullptr) return false;
  return std::any_of(
      table.begin(), table.end(), [mount](const sys::MountInfo& parent) {
        return parent.id == mount->parent_id && parent.major == mount->major &&
               parent.minor == mount->minor;
      });
}

absl::Status MakeRunMount(const std::string& directory) {
  ASSIGN_OR_RETURN(const Look look, LookAt(directory));
  switch (FindRunMount(look.table, look.directory)) {
    case RunMount::kPrivate:
    case RunMount::kHidesPins:
      return absl::OkStatus();
    case RunMount::kAbsent:
      RETURN_IF_ERROR(sys::Mount(look.directory, look.directory, "", MS_BIND));
      break;
    case RunMount::kShared:
      break;
  }
  return sys::Mount("", look.directory, "", MS_PRIVATE);
}

absl::Status RemoveRunMount(const std::string& directory) {
  ASSIGN_OR_RETURN(const Look look, LookAt(directory));
  if (!IsBindOfItself(look.table, look.directory)) return absl::OkStatus();
  // Detached: a client may still have its end of the socket open.
  return sys::Umount(look.directory, MNT_DETACH | UMOUNT_NOFOLLOW);
}

}  // namespace gantry::server
