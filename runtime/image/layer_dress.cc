#include "runtime/image/layer_dress.h"

#include <errno.h>
#include <sys/stat.h>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "runtime/base/status.h"
#include "runtime/image/layer_node.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

using SetOne =
    absl::FunctionRef<absl::Status(const std::string&, absl::string_view)>;

absl::Status SetXattrs(const TarEntry& entry, int64_t* skipped, SetOne set) {
  for (const auto& [key, value] : entry.xattrs) {
    if (!IsWantedXattr(key)) continue;
    absl::Status status = set(key, value);
    if (ErrnoOf(status) == EOPNOTSUPP) {
      ++*skipped;
    } else {
      RETURN_IF_ERROR(status);
    }
  }
  return absl::OkStatus();
}

}  // namespace

// overlay's own attributes would steer the mount (redirect, metacopy) out of
// the layer.
bool IsWantedXattr(absl::string_view key) {
  using absl::StartsWith;
  if (StartsWith(key, "trusted.overlay.") || StartsWith(key, "user.overlay.")) {
    return false;
  }
  return StartsWith(key, "user.") || StartsWith(key, "trusted.") ||
         key == "security.capability" || key == "system.posix_acl_access" ||
         key == "system.posix_acl_default";
}

// The order matters: chown takes away set-id bits and capabilities. Looking
// first is cheaper than setting what is so already, as with most files: umask,
// a set-gid parent or its default ACL decide.
absl::Status DressFd(int fd, const TarEntry& entry, int64_t* skipped) {
  ASSIGN_OR_RETURN(struct stat made, sys::StatFd(fd));
  const bool own = made.st_uid == entry.uid && made.st_gid == entry.gid;
  if (!own) {
    RETURN_IF_ERROR(SetOwner(fd, entry.uid, entry.gid));
  }
  // A file loses its set-id bits with its owner, a directory keeps them.
  const bool set_id = ((made.st_mode | entry.mode) & (S_ISUID | S_ISGID)) != 0;
  if ((made.st_mode & 07777) != entry.mode || (!own && set_id)) {
    RETURN_IF_ERROR(SetMode(fd, entry.mode));
  }
  return SetXattrs(entry, skipped,
                   [&](const std::string& key, absl::string_view value) {
                     return SetXattr(fd, key, value);
                   });
}

absl::Status DressAt(int dirfd, const std::string& name, const TarEntry& entry,
                     int64_t* skipped) {
  RETURN_IF_ERROR(SetOwner(dirfd, name, entry.uid, entry.gid));
  RETURN_IF_ERROR(SetXattrs(
      entry, skipped, [&](const std::string& key, absl::string_view value) {
        return SetXattr(dirfd, name, key, value);
      }));
  if (entry.type != S_IFLNK) {
    RETURN_IF_ERROR(SetMode(dirfd, name, entry.mode));
  }
  return SetTime(dirfd, name, entry.mtime);
}

}  // namespace gantry::image
