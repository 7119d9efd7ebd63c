// RemoveTreeAt of file.h.

#include <dirent.h>
#include <errno.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::sys {
namespace {

// One directory on the way from the top to where the walk stands. Only the
// last one is open, so depth costs memory and no descriptors.
struct Level {
  std::string name;
  dev_t device;
  ino_t inode;
  std::vector<std::string> directories;  // found in it, still to be removed
  size_t emptied = 0;                    // how often it has been listed
};

class TreeRemover {
 public:
  explicit TreeRemover(int dirfd) : top_(dirfd) {}

  absl::Status Run(absl::string_view name) {
    const std::string path(name);
    if (unlinkat(top_, path.c_str(), 0) == 0 || errno == ENOENT) {
      return absl::OkStatus();
    }
    if (errno != EISDIR) return Failed(errno, "unlink", path);
    RETURN_IF_ERROR(Descend(path));
    while (!levels_.empty()) {
      Level& here = levels_.back();
      if (here.directories.empty()) {
        RETURN_IF_ERROR(Leave());
        continue;
      }
      const std::string next = std::move(here.directories.back());
      here.directories.pop_back();
      // Most directories of a tree that is being emptied have no children.
      if (unlinkat(fd_.get(), next.c_str(), AT_REMOVEDIR) == 0) continue;
      if (errno == ENOENT) continue;
      if (errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY) {
        return Failed(errno, "rmdir", next);
      }
      RETURN_IF_ERROR(Descend(next));
    }
    return absl::OkStatus();
  }

 private:
  // A directory that keeps filling up is given up after so many listings.
  static constexpr size_t kListings = 64;

  int Here() const { return levels_.empty() ? top_ : fd_.get(); }

  std::string PathOf(absl::string_view name) const {
    std::string path;
    for (const Level& level : levels_) absl::StrAppend(&path, level.name, "/");
    return absl::StrCat(path, name);
  }

  absl::Status Failed(int error, absl::string_view verb,
                      absl::string_view name) const {
    if (error == EBUSY || error == EXDEV) {
      return ErrnoStatus(
          absl::StatusCode::kFailedPrecondition, error,
          absl::StrCat("remove ", PathOf(name), ": is a mount point"));
    }
    return ErrnoStatus(error, absl::StrCat(verb, " ", PathOf(name)));
  }

  // Opens the directory `name` below where the walk stands, without following
  // a symlink or entering a mount, and empties it of all but directories.
  // Gone, or no directory any more: left to the next listing.
  absl::Status Descend(const std::string& name) {
    struct open_how how = {};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
    const int opened =
        syscall(SYS_openat2, Here(), name.c_str(), &how, sizeof how);
    if (opened < 0) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
        return absl::OkStatus();
      }
      return Failed(errno, "open", name);
    }
    UniqueFd fd(opened);
    struct stat info;
    if (fstat(fd.get(), &info) != 0) return Failed(errno, "stat", name);
    levels_.push_back({name, info.st_dev, info.st_ino, {}, 0});
    fd_ = std::move(fd);
    return Empty();
  }

  absl::Status Empty() {
    Level& here = levels_.back();
    ++here.emptied;
    absl::StatusOr<std::vector<DirEntry>> entries = ListDirAt(fd_.get(), ".");
    // Somebody else has removed the directory itself.
    if (ErrnoOf(entries.status()) == ENOENT) return absl::OkStatus();
    RETURN_IF_ERROR(entries) << "remove " << PathOf("");
    for (DirEntry& entry : *entries) {
      if (entry.type != DT_DIR) {
        if (unlinkat(fd_.get(), entry.name.c_str(), 0) == 0) continue;
        if (errno == ENOENT) continue;
        if (errno != EISDIR) return Failed(errno, "unlink", entry.name);
      }
      here.directories.push_back(std::move(entry.name));
    }
    return absl::OkStatus();
  }

  // Goes up and removes the directory that was left. One that is not empty
  // (entries came, or the file system skipped some while others were unlinked)
  // is emptied again.
  absl::Status Leave() {
    const bool last = levels_.size() == 1;
    UniqueFd up;
    if (!last) {
      ASSIGN_OR_RETURN(up, OpenParent());
    }
    Level left = std::move(levels_.back());
    levels_.pop_back();
    const int parent = last ? top_ : up.get();
    if (unlinkat(parent, left.name.c_str(), AT_REMOVEDIR) == 0 ||
        errno == ENOENT) {
      fd_ = std::move(up);
      return absl::OkStatus();
    }
    if (errno != ENOTEMPTY && errno != EEXIST) {
      return Failed(errno, "rmdir", left.name);
    }
    if (left.emptied >= kListings) return Failed(errno, "rmdir", left.name);
    levels_.push_back(std::move(left));
    return Empty();
  }

  // ".." of the directory at hand, if that is still the one the walk came from:
  // a directory that was moved meanwhile must not lead out of the tree.
  absl::StatusOr<UniqueFd> OpenParent() {
    ASSIGN_OR_RETURN(UniqueFd up,
                     OpenAt(fd_.get(), "..", O_RDONLY | O_DIRECTORY),
                     "remove " << PathOf(""));
    ASSIGN_OR_RETURN(struct stat info, StatFd(up.get()));
    const Level& expected = levels_[levels_.size() - 2];
    if (info.st_dev != expected.device || info.st_ino != expected.inode) {
      return absl::AbortedError(absl::StrCat(
          "remove ", PathOf(""), ": the directory was moved meanwhile"));
    }
    return up;
  }

  const int top_;
  UniqueFd fd_;  // of levels_.back()
  std::vector<Level> levels_;
};

}  // namespace

absl::Status RemoveTreeAt(int dirfd, absl::string_view name) {
  if (name.empty() || name == "." || name == ".." ||
      name.find('/') != absl::string_view::npos ||
      name.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("remove tree \"", name, "\": not one path component"));
  }
  return TreeRemover(dirfd).Run(name);
}

}  // namespace gantry::sys
