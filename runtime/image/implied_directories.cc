#include "runtime/image/implied_directories.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/layer_dress.h"
#include "runtime/image/layer_node.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

// Of such a directory, and of the top directory of a layer that has any below.
constexpr char kMark[] = "trusted.overlay.gantry.implied";
// Of a top directory that is none.
constexpr char kTopMark[] = "trusted.overlay.gantry.top";
constexpr char kOpaque[] = "trusted.overlay.opaque";
// Of all marked directories' names: about a million of them.
constexpr size_t kMaxNameBytes = size_t{64} << 20;
constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

bool HasXattr(int fd, const char* key) {
  return fgetxattr(fd, key, nullptr, 0) >= 0;
}

absl::StatusOr<TarEntry> EntryOf(int dirfd, const std::string& path) {
  ASSIGN_OR_RETURN(struct stat node, sys::StatFd(dirfd));
  TarEntry entry;
  entry.path = path;
  entry.type = S_IFDIR;
  entry.mode = node.st_mode & 07777;
  entry.uid = node.st_uid;
  entry.gid = node.st_gid;
  entry.mtime = node.st_mtim;
  std::string names(XATTR_LIST_MAX, '\0');
  const ssize_t size = flistxattr(dirfd, names.data(), names.size());
  if (size < 0) return ErrnoStatus(errno, "list xattrs");
  names.resize(size);
  std::map<std::string, std::string> xattrs;
  for (absl::string_view name :
       absl::StrSplit(names, '\0', absl::SkipEmpty())) {
    if (!IsWantedXattr(name)) continue;
    std::string value(XATTR_SIZE_MAX, '\0');
    const std::string key(name);
    const ssize_t length =
        fgetxattr(dirfd, key.c_str(), value.data(), value.size());
    if (length < 0) return ErrnoStatus(errno, absl::StrCat("get xattr ", key));
    value.resize(length);
    xattrs[key] = std::move(value);
  }
  entry.xattrs.assign(xattrs.begin(), xattrs.end());
  return entry;
}

// One directory as one layer has it.
struct Found {
  UniqueFd fd;         // none: the layer does not have it
  bool hides = false;  // what the layers below have is not to be seen
  bool implied = false;
};

absl::StatusOr<Found> FindIn(int layer, const std::string& path) {
  Found found;
  ASSIGN_OR_RETURN(found.fd, sys::Duplicate(layer));
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    found.hides = found.hides || HasXattr(found.fd.get(), kOpaque);
    absl::StatusOr<UniqueFd> next =
        sys::OpenAt(found.fd.get(), part, kOpenDirectory);
    if (!next.ok()) {
      const int error = ErrnoOf(next.status());
      if (error != ENOENT && error != ENOTDIR && error != ELOOP) {
        return next.status();
      }
      // A whiteout, a file or a link stands in its place.
      found.hides = found.hides || error != ENOENT;
      found.fd.Reset();
      return found;
    }
    found.fd = *std::move(next);
  }
  found.hides = found.hides || HasXattr(found.fd.get(), kOpaque);
  found.implied = path.empty() ? !HasXattr(found.fd.get(), kTopMark)
                               : HasXattr(found.fd.get(), kMark);
  return found;
}

bool AreAlikeButForTime(const TarEntry& a, const TarEntry& b) {
  return a.mode == b.mode && a.uid == b.uid && a.gid == b.gid &&
         a.xattrs == b.xattrs;
}

// A directory as the union of all layers should have it; `wrong` if overlay
// shows it otherwise. Nothing if there is none.
struct Wanted {
  TarEntry entry;
  bool wrong = false;
};
absl::StatusOr<std::optional<Wanted>> Look(const std::vector<int>& layers,
                                           const std::string& path) {
  std::optional<Wanted> top;
  for (size_t i = layers.size(); i-- > 0;) {
    ASSIGN_OR_RETURN(Found found, FindIn(layers[i], path));
    if (found.fd && (!found.implied || !top)) {
      ASSIGN_OR_RETURN(TarEntry entry, EntryOf(found.fd.get(), path));
      if (!found.implied) {
        const bool wrong =
            top && !(path.empty() && AreAlikeButForTime(top->entry, entry));
        return Wanted{std::move(entry), wrong};
      }
      top = Wanted{std::move(entry), false};
    }
    if (found.hides) break;
  }
  return top;
}

// The marked directories of one layer.
absl::Status Collect(int layer, std::set<std::string>* paths,
                     size_t* name_bytes) {
  if (!HasXattr(layer, kTopMark)) paths->insert("");
  if (!HasXattr(layer, kMark)) return absl::OkStatus();
  std::vector<std::string> todo = {""};
  while (!todo.empty()) {
    const std::string path = std::move(todo.back());
    todo.pop_back();
    ASSIGN_OR_RETURN(Found found, FindIn(layer, path));
    if (!found.fd) continue;
    if (found.implied && paths->insert(path).second) {
      *name_bytes += path.size();
      if (*name_bytes > kMaxNameBytes) {
        return absl::ResourceExhaustedError(
            "too many directories without an entry of their own");
      }
    }
    ASSIGN_OR_RETURN(std::vector<sys::DirEntry> entries,
                     sys::ListDirAt(found.fd.get(), "."));
    for (const sys::DirEntry& entry : entries) {
      if (entry.type != DT_DIR && entry.type != DT_UNKNOWN) continue;
      todo.push_back(path.empty() ? entry.name
                                  : absl::StrCat(path, "/", entry.name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MarkTop(int layer) { return SetXattr(layer, kTopMark, "y"); }

absl::Status MarkImplied(int layer, int dirfd) {
  RETURN_IF_ERROR(SetXattr(dirfd, kMark, "y"));
  return SetXattr(layer, kMark, "y");
}

absl::Status UnmarkImplied(int dirfd) {
  if (fremovexattr(dirfd, kMark) == 0 || errno == ENODATA) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "remove the mark of an implied directory");
}

absl::StatusOr<std::vector<TarEntry>> ImpliedDirectories(
    const std::vector<int>& layers) {
  std::set<std::string> marked;
  size_t name_bytes = 0;
  for (int layer : layers) {
    RETURN_IF_ERROR(Collect(layer, &marked, &name_bytes));
  }
  // With their parents: in the order of the map, each after its own.
  std::map<std::string, TarEntry> out;
  for (const std::string& path : marked) {
    ASSIGN_OR_RETURN(std::optional<Wanted> wanted, Look(layers, path));
    if (!wanted || !wanted->wrong) continue;
    out[path] = std::move(wanted->entry);
    for (std::string above = path; !above.empty();) {
      const size_t slash = above.rfind('/');
      above.resize(slash == std::string::npos ? 0 : slash);
      if (out.count(above) != 0) break;
      ASSIGN_OR_RETURN(std::optional<Wanted> parent, Look(layers, above));
      if (parent) out[above] = std::move(parent->entry);
    }
  }
  std::vector<TarEntry> entries;
  for (auto& [path, entry] : out) entries.push_back(std::move(entry));
  return entries;
}

std::string Describe(const std::vector<TarEntry>& directories) {
  // Lengths before what may hold anything.
  std::string text = "gantry implied directories 1\n";
  for (const TarEntry& entry : directories) {
    absl::StrAppend(&text, entry.path.size(), ":", entry.path, " ", entry.mode,
                    " ", entry.uid, " ", entry.gid, " ", entry.mtime.tv_sec,
                    ".", entry.mtime.tv_nsec, "\n");
    for (const auto& [key, value] : entry.xattrs) {
      absl::StrAppend(&text, " ", key.size(), ":", key, " ", value.size(), ":",
                      value, "\n");
    }
  }
  return text;
}

absl::Status MakeDirectories(const std::vector<TarEntry>& directories,
                             int dirfd) {
  // Those of which a name is made have their times set last.
  for (const TarEntry& entry : directories) {
    if (entry.path.empty()) continue;
    RETURN_IF_ERROR(sys::MkdirAt(dirfd, entry.path, 0700));
  }
  for (auto entry = directories.rbegin(); entry != directories.rend();
       ++entry) {
    ASSIGN_OR_RETURN(UniqueFd made,
                     sys::OpenAt(dirfd, entry->path.empty() ? "." : entry->path,
                                 kOpenDirectory));
    int64_t skipped = 0;
    RETURN_IF_ERROR(DressFd(made.get(), *entry, &skipped));
    RETURN_IF_ERROR(SetTime(made.get(), entry->mtime));
  }
  return absl::OkStatus();
}

}  // namespace gantry::image
