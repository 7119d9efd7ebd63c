#include "runtime/image/tree_compare.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/layer_node.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"

namespace gantry::image {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 18;

using Xattrs = std::map<std::string, std::string>;

absl::StatusOr<Xattrs> XattrsOf(int dirfd, const std::string& name) {
  // There is no *at form of these; the link's last part is not followed.
  const std::string path = absl::StrCat("/proc/self/fd/", dirfd, "/", name);
  // More than the kernel lets one node have (xattr(7), XATTR_LIST_MAX).
  std::string list(size_t{64} << 10, '\0');
  const ssize_t size = llistxattr(path.c_str(), list.data(), list.size());
  if (size < 0 && errno == EOPNOTSUPP) return Xattrs();
  if (size < 0) return ErrnoStatus(errno, "list xattrs");
  list.resize(size);
  Xattrs xattrs;
  for (absl::string_view key : absl::StrSplit(list, '\0', absl::SkipEmpty())) {
    const std::string key_name(key);
    std::string value(size_t{64} << 10, '\0');
    const ssize_t got =
        lgetxattr(path.c_str(), key_name.c_str(), value.data(), value.size());
    if (got < 0) return ErrnoStatus(errno, "get xattr " + key_name);
    value.resize(got);
    xattrs[key_name] = std::move(value);
  }
  return xattrs;
}

// As many bytes as there are, up to the buffer's size.
absl::StatusOr<size_t> Fill(int fd, std::vector<char>* buffer) {
  size_t filled = 0;
  while (filled < buffer->size()) {
    const ssize_t n =
        read(fd, buffer->data() + filled, buffer->size() - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read");
    if (n == 0) break;
    filled += n;
  }
  return filled;
}

class Comparison {
 public:
  Comparison(const std::set<std::string>& dated,
             const std::function<bool()>& cancelled)
      : dated_(dated),
        cancelled_(cancelled),
        one_(kPieceBytes),
        two_(kPieceBytes) {}

  absl::Status Run(int expected, int found);

 private:
  // Both directories, opened; what is below is put on the list.
  absl::Status Directories(int expected, int found, const std::string& path);
  absl::Status Nodes(int expected, int found, const std::string& name,
                     const std::string& path);
  absl::Status Stats(const struct stat& expected, const struct stat& found,
                     const std::string& path);
  absl::Status Contents(int expected, int found, const std::string& name,
                        const std::string& path);
  static absl::Status Differ(const std::string& path, absl::string_view what) {
    return absl::DataLossError(absl::StrCat("/", path, ": ", what));
  }

  const std::set<std::string>& dated_;
  const std::function<bool()>& cancelled_;
  std::vector<std::string> todo_;
  // Of the first directory with another time: told if there is nothing else,
  // for it changes with what is inside.
  absl::Status other_time_;
  // Files with several names: the inode there for the inode here.
  std::map<ino_t, ino_t> linked_;
  std::vector<char> one_;
  std::vector<char> two_;
};

absl::Status Comparison::Run(int expected, int found) {
  RETURN_IF_ERROR(Nodes(expected, found, ".", ""));
  todo_ = {""};
  while (!todo_.empty()) {
    if (cancelled_ && cancelled_()) return absl::CancelledError("cancelled");
    const std::string path = std::move(todo_.back());
    todo_.pop_back();
    const std::string at = path.empty() ? "." : path;
    const int flags = O_RDONLY | O_DIRECTORY;
    ASSIGN_OR_RETURN(UniqueFd here, sys::OpenBeneath(expected, at, flags));
    ASSIGN_OR_RETURN(UniqueFd there, sys::OpenBeneath(found, at, flags));
    RETURN_IF_ERROR(Directories(here.get(), there.get(), path));
  }
  return other_time_;
}

absl::Status Comparison::Directories(int expected, int found,
                                     const std::string& path) {
  const auto names_in =
      [](int dirfd) -> absl::StatusOr<std::vector<std::string>> {
    ASSIGN_OR_RETURN(std::vector<sys::DirEntry> entries,
                     sys::ListDirAt(dirfd, "."));
    std::vector<std::string> names;
    for (sys::DirEntry& entry : entries) names.push_back(std::move(entry.name));
    std::sort(names.begin(), names.end());
    return names;
  };
  ASSIGN_OR_RETURN(std::vector<std::string> wanted, names_in(expected));
  ASSIGN_OR_RETURN(std::vector<std::string> there, names_in(found));
  const auto below = [&path](const std::string& name) {
    return path.empty() ? name : absl::StrCat(path, "/", name);
  };
  std::vector<std::string> only;
  std::set_symmetric_difference(wanted.begin(), wanted.end(), there.begin(),
                                there.end(), std::back_inserter(only));
  if (!only.empty()) {
    const bool missing =
        std::binary_search(wanted.begin(), wanted.end(), only[0]);
    return Differ(below(only[0]),
                  missing ? "is missing" : "is not of the layer");
  }
  for (const std::string& name : wanted) {
    RETURN_IF_ERROR(Nodes(expected, found, name, below(name)));
  }
  return absl::OkStatus();
}

absl::Status Comparison::Stats(const struct stat& expected,
                               const struct stat& found,
                               const std::string& path) {
  if (expected.st_mode != found.st_mode) return Differ(path, "type or mode");
  if (expected.st_uid != found.st_uid || expected.st_gid != found.st_gid) {
    return Differ(path, "owner");
  }
  if (expected.st_rdev != found.st_rdev) return Differ(path, "device");
  const bool same_time = expected.st_mtim.tv_sec == found.st_mtim.tv_sec &&
                         expected.st_mtim.tv_nsec == found.st_mtim.tv_nsec;
  if (S_ISDIR(expected.st_mode)) {
    if (!same_time && other_time_.ok() &&
        dated_.count(path.empty() ? "." : path) != 0) {
      other_time_ = Differ(path, "time");
    }
    return absl::OkStatus();
  }
  if (expected.st_size != found.st_size) return Differ(path, "size");
  if (!same_time && !IsWhiteout(expected.st_mode, expected.st_rdev)) {
    return Differ(path, "time");
  }
  if (expected.st_nlink != found.st_nlink) return Differ(path, "link count");
  return absl::OkStatus();
}

absl::Status Comparison::Nodes(int expected, int found, const std::string& name,
                               const std::string& path) {
  ASSIGN_OR_RETURN(struct stat here,
                   sys::StatAt(expected, name, AT_SYMLINK_NOFOLLOW));
  ASSIGN_OR_RETURN(struct stat there,
                   sys::StatAt(found, name, AT_SYMLINK_NOFOLLOW));
  RETURN_IF_ERROR(Stats(here, there, path));
  ASSIGN_OR_RETURN(Xattrs wanted, XattrsOf(expected, name));
  ASSIGN_OR_RETURN(Xattrs has, XattrsOf(found, name));
  if (wanted != has) return Differ(path, "extended attributes");
  if (S_ISDIR(here.st_mode)) {
    if (name != ".") todo_.push_back(path);
    return absl::OkStatus();
  }
  if (here.st_nlink > 1) {
    auto [known, is_new] = linked_.try_emplace(here.st_ino, there.st_ino);
    if (known->second != there.st_ino) return Differ(path, "hard links");
    if (!is_new) return absl::OkStatus();
  }
  if (S_ISREG(here.st_mode)) return Contents(expected, found, name, path);
  if (!S_ISLNK(here.st_mode)) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::string target, sys::ReadlinkAt(expected, name));
  ASSIGN_OR_RETURN(std::string has_target, sys::ReadlinkAt(found, name));
  return target == has_target ? absl::OkStatus() : Differ(path, "target");
}

absl::Status Comparison::Contents(int expected, int found,
                                  const std::string& name,
                                  const std::string& path) {
  const int flags = O_RDONLY | O_NOFOLLOW;
  ASSIGN_OR_RETURN(UniqueFd here, sys::OpenAt(expected, name, flags));
  ASSIGN_OR_RETURN(UniqueFd there, sys::OpenAt(found, name, flags));
  while (true) {
    if (cancelled_ && cancelled_()) return absl::CancelledError("cancelled");
    ASSIGN_OR_RETURN(size_t wanted, Fill(here.get(), &one_), "/" << path);
    ASSIGN_OR_RETURN(size_t has, Fill(there.get(), &two_), "/" << path);
    if (wanted != has ||
        !std::equal(one_.begin(), one_.begin() + wanted, two_.begin())) {
      return Differ(path, "content");
    }
    if (wanted == 0) return absl::OkStatus();
  }
}

}  // namespace

absl::Status CompareTrees(int expected_dirfd, int found_dirfd,
                          const std::set<std::string>& dated_directories,
                          const std::function<bool()>& cancelled) {
  return Comparison(dated_directories, cancelled)
      .Run(expected_dirfd, found_dirfd);
}

}  // namespace gantry::image
