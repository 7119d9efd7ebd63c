#include "runtime/rootfs/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"

namespace gantry::rootfs {
namespace {

constexpr int64_t kBlockBytes = 512;  // unit of st_blocks, stat(2)

struct Walk {
  dev_t device = 0;
  Usage usage;
  std::set<ino_t> linked;  // files with several names, counted already

  void Count(const struct stat& node) {
    if (!S_ISDIR(node.st_mode) && node.st_nlink > 1 &&
        !linked.insert(node.st_ino).second) {
      return;
    }
    usage.bytes += node.st_blocks * kBlockBytes;
    ++usage.inodes;
  }
};

// Longest path that one openat2 takes, with room for the last name.
constexpr size_t kMaxPath = 3800;

// Opens the directory `path` below `top` from the top, so that a container
// that moves directories about meanwhile leads nowhere else, and a deep tree
// takes no more than two descriptors.
absl::StatusOr<UniqueFd> OpenDirectory(int top, absl::string_view path) {
  UniqueFd at;
  int from = top;
  while (true) {
    absl::string_view head = path;
    if (head.size() > kMaxPath)
      head = head.substr(0, head.rfind('/', kMaxPath));
    ASSIGN_OR_RETURN(at, sys::OpenBeneath(from, head, O_RDONLY | O_DIRECTORY));
    if (head.size() == path.size()) return at;
    path.remove_prefix(head.size() + 1);
    from = at.get();
  }
}

// Counts what is in the directory and puts its subdirectories on the list.
absl::Status CountEntries(int dirfd, absl::string_view path, Walk* walk,
                          std::vector<std::string>* todo) {
  ASSIGN_OR_RETURN(std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(dirfd, "."));
  for (const sys::DirEntry& entry : entries) {
    absl::StatusOr<struct stat> node =
        sys::StatAt(dirfd, entry.name, AT_SYMLINK_NOFOLLOW);
    if (ErrnoOf(node.status()) == ENOENT) continue;
    if (!node.ok()) return node.status();
    if (node->st_dev != walk->device) continue;
    walk->Count(*node);
    if (S_ISDIR(node->st_mode)) {
      todo->push_back(path.empty() ? entry.name
                                   : absl::StrCat(path, "/", entry.name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Usage> UsageOf(int dirfd) {
  Walk walk;
  ASSIGN_OR_RETURN(struct stat top, sys::StatAt(dirfd, ".", 0));
  walk.device = top.st_dev;
  walk.Count(top);
  std::vector<std::string> todo = {""};
  while (!todo.empty()) {
    const std::string path = std::move(todo.back());
    todo.pop_back();
    absl::StatusOr<UniqueFd> dir =
        OpenDirectory(dirfd, path.empty() ? "." : path);
    if (!dir.ok()) {
      // Removed or replaced since it was listed.
      const int error = ErrnoOf(dir.status());
      if (error == ENOENT || error == ENOTDIR || error == ELOOP) continue;
      return dir.status();
    }
    RETURN_IF_ERROR(CountEntries(dir->get(), path, &walk, &todo));
  }
  return walk.usage;
}

absl::StatusOr<Usage> FilesystemUsage(int dirfd) {
  struct statfs fs;
  if (fstatfs(dirfd, &fs) != 0) return ErrnoStatus(errno, "statfs");
  return Usage{.bytes = static_cast<int64_t>(fs.f_blocks - fs.f_bfree) *
                        static_cast<int64_t>(fs.f_bsize),
               .inodes = static_cast<int64_t>(fs.f_files - fs.f_ffree)};
}

absl::StatusOr<Capacity> FilesystemCapacity(int dirfd) {
  struct statfs fs;
  if (fstatfs(dirfd, &fs) != 0) return ErrnoStatus(errno, "statfs");
  return Capacity{.bytes = fs.f_blocks * fs.f_bsize,
                  .inodes = fs.f_files,
                  .free_inodes = fs.f_ffree};
}

}  // namespace gantry::rootfs
