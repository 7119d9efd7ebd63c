#include "runtime/sys/in_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/check_path.h"
#include "runtime/sys/file.h"

namespace gantry::sys {
namespace {

// The kernel answers EAGAIN when ".." met a rename or mount anywhere on the
// machine; an unlucky resolution passes after a few tries.
constexpr int kTries = 128;
// As many as the kernel follows in one path (path_resolution(7)).
constexpr int kMaxSymlinks = 40;
constexpr mode_t kParentMode = 0755;

absl::StatusOr<UniqueFd> Open2(int dirfd, absl::string_view path, int flags,
                               mode_t mode, uint64_t resolve) {
  RETURN_IF_ERROR(CheckPath("open in root", path));
  const std::string name = path.empty() ? "." : std::string(path);
  struct open_how how = {};
  // openat2 refuses a mode without O_CREAT or O_TMPFILE.
  const bool creates =
      (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  how.flags = static_cast<uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
  how.mode = creates ? mode : 0;
  how.resolve = resolve;
  int error = EAGAIN;
  for (int i = 0; i < kTries && (error == EAGAIN || error == EINTR); ++i) {
    int fd = syscall(SYS_openat2, dirfd, name.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(fd);
    error = errno;
    // O_NONBLOCK's own EAGAIN (a lease) is no race; more tries do no harm.
  }
  return ErrnoStatus(error, absl::StrCat("open ", path, " in root"));
}

enum class Leaf { kDirectory, kFile };

// Goes down a path by descriptors, one component at a time, making what is
// missing. Symlinks are read and their text walked in turn; ".." is a step back
// in the list of descriptors, never the kernel's "..": so whatever is renamed
// meanwhile, no step leaves the directories that were reached from the root.
class Walk {
 public:
  Walk(absl::string_view path, mode_t mode, Leaf leaf)
      : path_(path), mode_(mode), leaf_(leaf) {}

  absl::StatusOr<UniqueFd> Run(int rootfd) {
    ASSIGN_OR_RETURN(UniqueFd root, Open2(rootfd, ".", O_PATH | O_DIRECTORY, 0,
                                          RESOLVE_IN_ROOT));
    steps_.push_back(std::move(root));
    Prepend(path_);
    while (!left_.empty()) {
      const std::string name = std::move(left_.back());
      left_.pop_back();
      if (name == "..") {
        if (steps_.size() > 1) steps_.pop_back();
        continue;
      }
      RETURN_IF_ERROR(Step(name));
    }
    struct stat info;
    if (fstat(steps_.back().get(), &info) != 0) return Failed(errno);
    if (leaf_ == Leaf::kFile && S_ISDIR(info.st_mode)) return Failed(EISDIR);
    return std::move(steps_.back());
  }

 private:
  absl::Status Failed(int error) const {
    return ErrnoStatus(error, absl::StrCat("make ", path_, " in root"));
  }

  // Puts the components of `path` before what is left to walk.
  void Prepend(absl::string_view path) {
    while (!path.empty()) {
      const size_t slash = path.rfind('/');
      const absl::string_view name =
          slash == absl::string_view::npos ? path : path.substr(slash + 1);
      path = slash == absl::string_view::npos ? absl::string_view()
                                              : path.substr(0, slash);
      if (name.empty() || name == ".") continue;
      left_.emplace_back(name);
    }
  }

  absl::Status Make(const std::string& name, bool last) {
    const int dirfd = steps_.back().get();
    int result;
    if (last && leaf_ == Leaf::kFile) {
      result = mknodat(dirfd, name.c_str(), S_IFREG | mode_, 0);
    } else {
      const bool own = leaf_ == Leaf::kDirectory;
      result = mkdirat(dirfd, name.c_str(), own ? mode_ : kParentMode);
    }
    // EEXIST: somebody was faster; the next look takes what is there.
    if (result != 0 && errno != EEXIST) return Failed(errno);
    return absl::OkStatus();
  }

  absl::Status Step(const std::string& name) {
    for (int i = 0; i < kTries; ++i) {
      const bool last = left_.empty();
      const int fd = openat(steps_.back().get(), name.c_str(),
                            O_PATH | O_NOFOLLOW | O_CLOEXEC);
      if (fd < 0 && errno == ENOENT) {
        RETURN_IF_ERROR(Make(name, last));
        continue;
      }
      if (fd < 0) return Failed(errno);
      UniqueFd next(fd);
      struct stat info;
      if (fstat(fd, &info) != 0) return Failed(errno);
      if (S_ISLNK(info.st_mode)) return Follow(fd);
      const bool file = last && leaf_ == Leaf::kFile;
      if (!file && !S_ISDIR(info.st_mode)) return Failed(ENOTDIR);
      steps_.push_back(std::move(next));
      return absl::OkStatus();
    }
    // Made and removed by somebody else each time.
    return Failed(EAGAIN);
  }

  absl::Status Follow(int link) {
    if (++symlinks_ > kMaxSymlinks) return Failed(ELOOP);
    ASSIGN_OR_RETURN(const std::string text, ReadlinkAt(link, ""));
    if (!text.empty() && text[0] == '/') steps_.resize(1);
    Prepend(text);
    return absl::OkStatus();
  }

  const absl::string_view path_;
  const mode_t mode_;
  const Leaf leaf_;
  std::vector<UniqueFd> steps_;    // from the root to where the walk stands
  std::vector<std::string> left_;  // components to walk, the next one last
  int symlinks_ = 0;
};

absl::StatusOr<UniqueFd> FindOrMake(int rootfd, absl::string_view path,
                                    mode_t mode, Leaf leaf) {
  const int kind = leaf == Leaf::kDirectory ? O_DIRECTORY : 0;
  absl::StatusOr<UniqueFd> found = OpenInRoot(rootfd, path, O_PATH | kind);
  if (!found.ok()) {
    if (ErrnoOf(found.status()) != ENOENT) return found.status();
    return Walk(path, mode, leaf).Run(rootfd);
  }
  ASSIGN_OR_RETURN(struct stat info, StatFd(found->get()));
  if (leaf == Leaf::kFile && S_ISDIR(info.st_mode)) {
    return ErrnoStatus(EISDIR, absl::StrCat("make file ", path, " in root"));
  }
  return found;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenInRoot(int rootfd, absl::string_view path,
                                    int flags, mode_t mode) {
  return Open2(rootfd, path, flags, mode,
               RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

absl::StatusOr<UniqueFd> OpenBeneath(int dirfd, absl::string_view path,
                                     int flags, mode_t mode,
                                     Symlinks symlinks) {
  uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (symlinks == Symlinks::kRefuse) resolve |= RESOLVE_NO_SYMLINKS;
  return Open2(dirfd, path, flags, mode, resolve);
}

absl::StatusOr<UniqueFd> MkdirAllInRoot(int rootfd, absl::string_view path,
                                        mode_t mode) {
  return FindOrMake(rootfd, path, mode, Leaf::kDirectory);
}

absl::StatusOr<UniqueFd> CreateFileInRoot(int rootfd, absl::string_view path,
                                          mode_t mode) {
  return FindOrMake(rootfd, path, mode, Leaf::kFile);
}

}  // namespace gantry::sys
