#include "shim/init/copy_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::init {
namespace {

// Two descriptors each are open on the way down.
constexpr int kMaxDepth = 200;
constexpr size_t kChunk = 1 << 20;
// Of a value, and of all names together (xattr(7)).
constexpr size_t kMaxAttribute = 64 << 10;

// Labels are the host's to give, overlayfs's own marks mean nothing elsewhere.
bool IsCopied(absl::string_view attribute) {
  return attribute != "security.selinux" &&
         !absl::StartsWith(attribute, "trusted.overlay.") &&
         !absl::StartsWith(attribute, "user.overlay.");
}

absl::Status CopyAttribute(int from, int to, const char* name) {
  std::string value(kMaxAttribute, '\0');
  const ssize_t size = fgetxattr(from, name, value.data(), value.size());
  if (size < 0) return ErrnoStatus(errno, absl::StrCat("read ", name));
  if (fsetxattr(to, name, value.data(), size, 0) == 0 || errno == ENOTSUP) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, absl::StrCat("write ", name));
}

absl::Status CopyAttributes(int from, int to) {
  std::string names(kMaxAttribute, '\0');
  const ssize_t size = flistxattr(from, names.data(), names.size());
  if (size < 0 && errno == ENOTSUP) return absl::OkStatus();
  if (size < 0) return ErrnoStatus(errno, "list extended attributes");
  for (const char* name = names.data(); name < names.data() + size;
       name += strlen(name) + 1) {
    if (!IsCopied(name)) continue;
    RETURN_IF_ERROR(CopyAttribute(from, to, name));
  }
  return absl::OkStatus();
}

// The mode after the owner, whose change clears the set-uid bit, and attributes
// after it, for it clears capabilities too; times last.
absl::Status CopyMetadata(int from, const struct stat& info, int to) {
  if (fchown(to, info.st_uid, info.st_gid) != 0) {
    return ErrnoStatus(errno, "chown");
  }
  if (fchmod(to, info.st_mode & 07777) != 0) {
    return ErrnoStatus(errno, "chmod");
  }
  RETURN_IF_ERROR(CopyAttributes(from, to));
  const timespec times[] = {info.st_atim, info.st_mtim};
  if (futimens(to, times) != 0) return ErrnoStatus(errno, "set times");
  return absl::OkStatus();
}

class Copier {
 public:
  explicit Copier(int top) : top_(top) {}

  // `path`: of the directory below the top, with a slash behind it.
  absl::Status Directory(int from, int to, const std::string& path, int depth) {
    if (depth > kMaxDepth) {
      return absl::ResourceExhaustedError(
          absl::StrCat("directories are nested deeper than ", kMaxDepth));
    }
    ASSIGN_OR_RETURN(std::vector<sys::DirEntry> entries,
                     sys::ListDirAt(from, "."));
    for (const sys::DirEntry& entry : entries) {
      RETURN_IF_ERROR(Entry(from, to, entry.name, path, depth)) << entry.name;
    }
    ASSIGN_OR_RETURN(struct stat info, sys::StatFd(from));
    return CopyMetadata(from, info, to);
  }

 private:
  absl::Status Entry(int from, int to, const std::string& name,
                     const std::string& path, int depth) {
    ASSIGN_OR_RETURN(struct stat info,
                     sys::StatAt(from, name, AT_SYMLINK_NOFOLLOW));
    if (S_ISDIR(info.st_mode)) {
      RETURN_IF_ERROR(sys::MkdirAt(to, name, 0700));
      constexpr int kOpen = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
      ASSIGN_OR_RETURN(UniqueFd below_from, sys::OpenAt(from, name, kOpen));
      ASSIGN_OR_RETURN(UniqueFd below_to, sys::OpenAt(to, name, kOpen));
      return Directory(below_from.get(), below_to.get(),
                       absl::StrCat(path, name, "/"), depth + 1);
    }
    if (info.st_nlink > 1) {
      auto [first, is_new] = links_.try_emplace(
          std::pair(info.st_dev, info.st_ino), absl::StrCat(path, name));
      if (!is_new) {
        if (linkat(top_, first->second.c_str(), to, name.c_str(), 0) == 0) {
          return absl::OkStatus();
        }
        return ErrnoStatus(errno, "link");
      }
    }
    if (S_ISREG(info.st_mode)) return File(from, to, name, info);
    return Special(from, to, name, info);
  }

  absl::Status File(int from, int to, const std::string& name,
                    const struct stat& info) {
    ASSIGN_OR_RETURN(UniqueFd source,
                     sys::OpenAt(from, name, O_RDONLY | O_NOFOLLOW));
    ASSIGN_OR_RETURN(
        UniqueFd target,
        sys::OpenAt(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    ssize_t copied;
    while ((copied = sendfile(target.get(), source.get(), nullptr, kChunk)) >
           0) {
    }
    if (copied < 0) return ErrnoStatus(errno, "copy");
    return CopyMetadata(source.get(), info, target.get());
  }

  absl::Status Special(int from, int to, const std::string& name,
                       const struct stat& info) {
    if (S_ISLNK(info.st_mode)) {
      ASSIGN_OR_RETURN(std::string text, sys::ReadlinkAt(from, name));
      RETURN_IF_ERROR(sys::SymlinkAt(text, to, name));
    } else if (mknodat(to, name.c_str(), info.st_mode, info.st_rdev) != 0) {
      // The umask is 0.
      return ErrnoStatus(errno, "mknod");
    }
    if (fchownat(to, name.c_str(), info.st_uid, info.st_gid,
                 AT_SYMLINK_NOFOLLOW) != 0) {
      return ErrnoStatus(errno, "chown");
    }
    const timespec times[] = {info.st_atim, info.st_mtim};
    if (utimensat(to, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
      return ErrnoStatus(errno, "set times");
    }
    return absl::OkStatus();
  }

  const int top_;
  // Where the first of several names of a file was copied to, below the top.
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace

absl::Status CopyTree(int from, int to) {
  return Copier(to).Directory(from, to, "", 0);
}

}  // namespace gantry::init
