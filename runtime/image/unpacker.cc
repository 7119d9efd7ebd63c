#include "runtime/image/unpacker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/decompress.h"
#include "runtime/image/implied_directories.h"
#include "runtime/image/layer_dress.h"
#include "runtime/image/layer_node.h"
#include "runtime/image/layer_path.h"
#include "runtime/image/read_ahead.h"
#include "runtime/image/tar_reader.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"

namespace gantry::image {
namespace {

using Kind = LayerPath::Kind;

constexpr mode_t kImpliedDirMode = 0755;
constexpr int64_t kMaxId = 0xfffffffe;  // (uid_t)-1 means "leave it" to chown

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(why);
}

// What an entry refers to must be there. NOT_FOUND would be taken for an image
// that is not there, or is of another platform.
template <typename T>
absl::StatusOr<T> AsPartOfLayer(absl::StatusOr<T> found) {
  if (!absl::IsNotFound(found.status())) return found;
  return Bad(
      absl::StrCat("target of the hard link: ", found.status().message()));
}

class Unpacker {
 public:
  Unpacker(int root, const UnpackLimits& limits,
           const std::function<bool()>& cancelled)
      : root_(root), limits_(limits), cancelled_(cancelled) {}

  absl::Status Run(ByteSource* tar);
  int64_t entries() const { return entries_; }
  int64_t skipped_xattrs() const { return skipped_xattrs_; }
  // Once, after Run.
  std::vector<std::string> TakeDatedDirectories();

 private:
  absl::Status CheckCancelled() const;
  absl::Status Apply(const TarEntry& entry, TarReader* reader);
  absl::Status ApplyRoot(const TarEntry& entry);
  absl::Status ApplyWhiteout(const LayerPath& path);
  absl::Status ApplyNode(const LayerPath& path, const TarEntry& entry,
                         TarReader* reader);
  absl::Status Directory(int parent, const LayerPath& path,
                         const TarEntry& entry);
  absl::Status RegularFile(int parent, const std::string& base,
                           const TarEntry& entry, TarReader* reader);
  absl::Status WriteData(int fd, const TarEntry& entry, TarReader* reader);
  absl::Status HardLink(int parent, const std::string& base,
                        const TarEntry& entry);
  absl::Status OtherNode(int parent, const std::string& base,
                         const TarEntry& entry);

  // The parent directory `dir`, made if need be. Borrowed until the next call.
  absl::StatusOr<int> Parent(const std::string& dir);
  absl::StatusOr<UniqueFd> MakeParents(const std::string& dir);
  // Makes a directory that has no entry; `why` is what opening it said.
  absl::Status MakeImplied(int parent, const std::string& base, int why);
  // Clears the way for a new node of this name.
  absl::Status RemoveExisting(int parent, const std::string& base);
  absl::Status NoteDirectoryTime(std::string path, const timespec& mtime);
  absl::Status SetDirectoryTimes();

  const int root_;
  const UnpackLimits limits_;
  const std::function<bool()>& cancelled_;
  // Most entries follow a neighbour: the last parent stays open.
  std::string cached_dir_;
  UniqueFd cached_;
  // Set last, for making what is inside changes them.
  std::vector<std::pair<std::string, timespec>> directory_times_;
  int64_t directory_name_bytes_ = 0;
  int64_t entries_ = 0;
  int64_t file_bytes_ = 0;
  int64_t skipped_xattrs_ = 0;
};

absl::Status Unpacker::CheckCancelled() const {
  if (cancelled_ && cancelled_()) {
    return absl::CancelledError("unpack layer: cancelled");
  }
  return absl::OkStatus();
}

absl::Status Unpacker::Run(ByteSource* tar) {
  TarReader reader(tar);
  TarEntry entry;
  while (true) {
    RETURN_IF_ERROR(CheckCancelled());
    ASSIGN_OR_RETURN(bool more, reader.Next(&entry));
    if (!more) break;
    if (++entries_ > limits_.max_entries) {
      return absl::ResourceExhaustedError(
          absl::StrCat("layer: more than ", limits_.max_entries, " entries"));
    }
    RETURN_IF_ERROR(Apply(entry, &reader))
        << "layer entry \"" << absl::CHexEscape(entry.path.substr(0, 300))
        << "\"";
  }
  return SetDirectoryTimes();
}

absl::Status Unpacker::Apply(const TarEntry& entry, TarReader* reader) {
  ASSIGN_OR_RETURN(LayerPath path, ParseLayerPath(entry.path));
  if (entry.uid < 0 || entry.uid > kMaxId || entry.gid < 0 ||
      entry.gid > kMaxId) {
    return Bad(
        absl::StrCat("owner ", entry.uid, ":", entry.gid, " is out of range"));
  }
  switch (path.kind) {
    case Kind::kIgnored:
      return absl::OkStatus();
    case Kind::kRoot:
      return ApplyRoot(entry);
    case Kind::kWhiteout:
    case Kind::kOpaque:
      return ApplyWhiteout(path);
    case Kind::kNode:
      break;
  }
  return ApplyNode(path, entry, reader);
}

absl::Status Unpacker::ApplyRoot(const TarEntry& entry) {
  if (entry.hard_link || !S_ISDIR(entry.type)) {
    return Bad("the layer's root is not a directory");
  }
  RETURN_IF_ERROR(NoteDirectoryTime(".", entry.mtime));
  ASSIGN_OR_RETURN(UniqueFd fd,
                   sys::OpenAt(root_, ".", O_RDONLY | O_DIRECTORY));
  RETURN_IF_ERROR(MarkTop(fd.get()));
  return DressFd(fd.get(), entry, &skipped_xattrs_);
}

// A whiteout is about the layers below; what this layer brings itself stays. So
// below a file that the layer brings there is nothing to hide: umoci writes
// such whiteouts where a file replaces a directory.
absl::Status Unpacker::ApplyWhiteout(const LayerPath& path) {
  const absl::StatusOr<int> opened = Parent(path.dir);
  if (absl::IsFailedPrecondition(opened.status())) return absl::OkStatus();
  if (!opened.ok()) return opened.status();
  const int parent = *opened;
  if (path.kind == Kind::kOpaque) return SetOpaque(parent);
  absl::Status made = MakeWhiteout(parent, path.base);
  if (ErrnoOf(made) != EEXIST) return made;
  ASSIGN_OR_RETURN(struct stat there,
                   sys::StatAt(parent, path.base, AT_SYMLINK_NOFOLLOW));
  if (!S_ISDIR(there.st_mode)) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      UniqueFd dir,
      sys::OpenAt(parent, path.base, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  return SetOpaque(dir.get());
}

absl::Status Unpacker::ApplyNode(const LayerPath& path, const TarEntry& entry,
                                 TarReader* reader) {
  ASSIGN_OR_RETURN(int parent, Parent(path.dir));
  if (entry.hard_link) return HardLink(parent, path.base, entry);
  switch (entry.type) {
    case S_IFDIR:
      return Directory(parent, path, entry);
    case S_IFREG:
      return RegularFile(parent, path.base, entry, reader);
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
      return OtherNode(parent, path.base, entry);
    default:
      return Bad("a type of entry that layers do not have");
  }
}

absl::StatusOr<int> Unpacker::Parent(const std::string& dir) {
  if (dir.empty()) return root_;
  if (cached_ && dir == cached_dir_) return cached_.get();
  absl::StatusOr<UniqueFd> opened =
      sys::OpenInRoot(root_, dir, O_PATH | O_DIRECTORY);
  if (!opened.ok()) opened = MakeParents(dir);
  if (!opened.ok()) return Annotate(opened.status(), "parent directory");
  cached_ = *std::move(opened);
  cached_dir_ = dir;
  return cached_.get();
}

absl::StatusOr<UniqueFd> Unpacker::MakeParents(const std::string& dir) {
  ASSIGN_OR_RETURN(UniqueFd at, sys::Duplicate(root_));
  size_t begin = 0;
  while (begin < dir.size()) {
    const size_t end = std::min(dir.find('/', begin), dir.size());
    const std::string prefix = dir.substr(0, end);
    absl::StatusOr<UniqueFd> opened =
        sys::OpenInRoot(root_, prefix, O_PATH | O_DIRECTORY);
    if (!opened.ok()) {
      const std::string base = dir.substr(begin, end - begin);
      const absl::StatusOr<struct stat> there =
          sys::StatAt(at.get(), base, AT_SYMLINK_NOFOLLOW);
      if (there.ok() && S_ISLNK(there->st_mode)) {
        // "bin -> usr/bin" before "usr/bin": made where it leads, inside.
        opened = sys::MkdirAllInRoot(root_, prefix, kImpliedDirMode);
      } else {
        RETURN_IF_ERROR(MakeImplied(at.get(), base, ErrnoOf(opened.status())));
        opened = sys::OpenInRoot(root_, prefix, O_PATH | O_DIRECTORY);
      }
    }
    if (!opened.ok()) return opened.status();
    at = *std::move(opened);
    begin = end + 1;
  }
  return at;
}

absl::Status Unpacker::MakeImplied(int parent, const std::string& base,
                                   int why) {
  bool opaque = false;
  if (why == ENOTDIR) {
    // ".wh.d" and then "d/f" without an entry for d: d is new and hides the
    // old one.
    ASSIGN_OR_RETURN(struct stat there,
                     sys::StatAt(parent, base, AT_SYMLINK_NOFOLLOW));
    if (!IsWhiteout(there.st_mode, there.st_rdev)) {
      return absl::FailedPreconditionError(
          absl::StrCat(absl::CHexEscape(base), " is not a directory"));
    }
    RETURN_IF_ERROR(sys::UnlinkAt(parent, base));
    opaque = true;
  }
  RETURN_IF_ERROR(sys::MkdirAt(parent, base, kImpliedDirMode));
  // Whatever the umask says and a set-gid parent hands down.
  RETURN_IF_ERROR(SetOwner(parent, base, 0, 0));
  RETURN_IF_ERROR(SetMode(parent, base, kImpliedDirMode));
  ASSIGN_OR_RETURN(
      UniqueFd made,
      sys::OpenAt(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  // One that hides those below has nothing to take over from them.
  if (opaque) return SetOpaque(made.get());
  return MarkImplied(root_, made.get());
}

absl::Status Unpacker::RemoveExisting(int parent, const std::string& base) {
  absl::StatusOr<struct stat> there =
      sys::StatAt(parent, base, AT_SYMLINK_NOFOLLOW);
  if (!there.ok()) {
    return ErrnoOf(there.status()) == ENOENT ? absl::OkStatus()
                                             : there.status();
  }
  if (!S_ISDIR(there->st_mode) && !S_ISLNK(there->st_mode)) {
    return sys::UnlinkAt(parent, base);
  }
  // The cached parent's name may lead through it. The descriptor stays open:
  // it may be `parent`, which the caller still needs.
  cached_dir_.clear();
  return sys::RemoveTreeAt(parent, base);
}

absl::Status Unpacker::Directory(int parent, const LayerPath& path,
                                 const TarEntry& entry) {
  bool opaque = false;
  bool was_there = false;
  absl::Status made = sys::MkdirAt(parent, path.base, 0700);
  if (ErrnoOf(made) == EEXIST) {
    ASSIGN_OR_RETURN(struct stat there,
                     sys::StatAt(parent, path.base, AT_SYMLINK_NOFOLLOW));
    if (!S_ISDIR(there.st_mode)) {
      opaque = IsWhiteout(there.st_mode, there.st_rdev);
      RETURN_IF_ERROR(RemoveExisting(parent, path.base));
      made = sys::MkdirAt(parent, path.base, 0700);
    } else {
      made = absl::OkStatus();
      was_there = true;
    }
  }
  RETURN_IF_ERROR(made);
  ASSIGN_OR_RETURN(
      UniqueFd fd,
      sys::OpenAt(parent, path.base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (opaque) {
    RETURN_IF_ERROR(SetOpaque(fd.get()));
  }
  if (was_there) {
    RETURN_IF_ERROR(UnmarkImplied(fd.get()));
  }
  RETURN_IF_ERROR(NoteDirectoryTime(
      path.dir.empty() ? path.base : absl::StrCat(path.dir, "/", path.base),
      entry.mtime));
  return DressFd(fd.get(), entry, &skipped_xattrs_);
}

absl::Status Unpacker::RegularFile(int parent, const std::string& base,
                                   const TarEntry& entry, TarReader* reader) {
  // Checked against what is left, so that no claimed size overflows the sum.
  if (entry.size > limits_.max_file_bytes - file_bytes_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the files of the layer claim more than the ",
                     limits_.max_file_bytes, " bytes allowed"));
  }
  file_bytes_ += entry.size;
  // O_EXCL: a name that exists is taken away first and never written through,
  // for it may be a link to something else.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  // Mostly what DressFd would set; set-id bits wait for the owner.
  const mode_t mode = entry.mode & 0777;
  absl::StatusOr<UniqueFd> fd = sys::OpenAt(parent, base, kFlags, mode);
  if (ErrnoOf(fd.status()) == EEXIST) {
    RETURN_IF_ERROR(RemoveExisting(parent, base));
    fd = sys::OpenAt(parent, base, kFlags, mode);
  }
  if (!fd.ok()) return fd.status();
  RETURN_IF_ERROR(WriteData(fd->get(), entry, reader));
  RETURN_IF_ERROR(DressFd(fd->get(), entry, &skipped_xattrs_));
  return SetTime(fd->get(), entry.mtime);
}

absl::Status Unpacker::WriteData(int fd, const TarEntry& entry,
                                 TarReader* reader) {
  int64_t at = 0;
  TarBlock block;
  while (true) {
    ASSIGN_OR_RETURN(bool more, reader->NextBlock(&block));
    if (!more) break;
    if (block.offset < at ||
        block.offset > entry.size - static_cast<int64_t>(block.data.size())) {
      return Bad("data beyond the size of the file");
    }
    if (block.offset != at && lseek(fd, block.offset, SEEK_SET) < 0) {
      return ErrnoStatus(errno, "seek");
    }
    RETURN_IF_ERROR(sys::WriteAll(fd, block.data));
    at = block.offset + block.data.size();
    RETURN_IF_ERROR(CheckCancelled());
  }
  if (at < entry.size && ftruncate(fd, entry.size) != 0) {
    return ErrnoStatus(errno, "set the size");
  }
  return absl::OkStatus();
}

absl::Status Unpacker::HardLink(int parent, const std::string& base,
                                const TarEntry& entry) {
  ASSIGN_OR_RETURN(LayerPath target, ParseLayerPath(entry.link),
                   "target of the hard link");
  if (target.kind != Kind::kNode) {
    return Bad("the hard link's target is no entry of the layer");
  }
  // The target is opened apart: it must not move the cached parent away.
  UniqueFd target_dir;
  int from = root_;
  if (!target.dir.empty()) {
    ASSIGN_OR_RETURN(target_dir, AsPartOfLayer(sys::OpenInRoot(
                                     root_, target.dir, O_PATH | O_DIRECTORY)));
    from = target_dir.get();
  }
  ASSIGN_OR_RETURN(
      struct stat source,
      AsPartOfLayer(sys::StatAt(from, target.base, AT_SYMLINK_NOFOLLOW)));
  if (S_ISDIR(source.st_mode)) {
    return Bad("the hard link's target is a directory");
  }
  absl::StatusOr<struct stat> there =
      sys::StatAt(parent, base, AT_SYMLINK_NOFOLLOW);
  if (there.ok()) {
    if (there->st_ino == source.st_ino && there->st_dev == source.st_dev) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(RemoveExisting(parent, base));
  }
  return LinkNode(from, target.base, parent, base);
}

absl::Status Unpacker::OtherNode(int parent, const std::string& base,
                                 const TarEntry& entry) {
  if (entry.type == S_IFLNK && entry.link.empty()) {
    return Bad("a symbolic link without a target");
  }
  const auto make = [&] {
    return entry.type == S_IFLNK
               ? sys::SymlinkAt(entry.link, parent, base)
               : MakeNode(parent, base, entry.type | 0600, entry.device);
  };
  absl::Status made = make();
  if (ErrnoOf(made) == EEXIST) {
    RETURN_IF_ERROR(RemoveExisting(parent, base));
    made = make();
  }
  RETURN_IF_ERROR(made);
  return DressAt(parent, base, entry, &skipped_xattrs_);
}

absl::Status Unpacker::NoteDirectoryTime(std::string path,
                                         const timespec& mtime) {
  directory_name_bytes_ += path.size();
  if (directory_name_bytes_ > limits_.max_directory_name_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the names of the layer's directories take more than the ",
                     limits_.max_directory_name_bytes, " bytes allowed"));
  }
  directory_times_.emplace_back(std::move(path), mtime);
  return absl::OkStatus();
}

absl::Status Unpacker::SetDirectoryTimes() {
  for (const auto& [path, mtime] : directory_times_) {
    absl::StatusOr<UniqueFd> dir =
        sys::OpenInRoot(root_, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    // A later entry may have replaced it.
    if (!dir.ok()) continue;
    RETURN_IF_ERROR(SetTime(dir->get(), mtime)) << "directory " << path;
  }
  return absl::OkStatus();
}

std::vector<std::string> Unpacker::TakeDatedDirectories() {
  std::vector<std::string> paths;
  paths.reserve(directory_times_.size());
  for (auto& [path, mtime] : directory_times_) {
    paths.push_back(std::move(path));
  }
  directory_times_.clear();
  return paths;
}

}  // namespace

absl::StatusOr<UnpackResult> UnpackLayer(ByteSource* layer, int dirfd,
                                         const UnpackOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> inflated,
                   NewDecompressor(layer, options.limits.max_tar_bytes));
  HashingSource tar(inflated.get(), Digest::Algorithm::kSha256);
  Unpacker unpacker(dirfd, options.limits, options.cancelled);
  const auto run = [&](ByteSource* source) -> absl::Status {
    RETURN_IF_ERROR(unpacker.Run(source));
    // What follows the end of the archive belongs to the diffID.
    return Drain(source);
  };
  if (options.run_aside) {
    ReadAhead ahead(&tar, options.chunks_ahead, options.run_aside);
    absl::Status status = run(&ahead);
    if (!status.ok() && options.abandon) options.abandon();
    RETURN_IF_ERROR(status);
  } else {
    RETURN_IF_ERROR(run(&tar));
  }
  UnpackResult result = {.diff_id = tar.Finish(),
                         .tar_bytes = tar.bytes(),
                         .entries = unpacker.entries(),
                         .skipped_xattrs = unpacker.skipped_xattrs(),
                         .dated_directories = unpacker.TakeDatedDirectories()};
  return result;
}

}  // namespace gantry::image
