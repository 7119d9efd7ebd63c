#include "runtime/rootfs/layers_lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::rootfs {
namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

bool IsWhiteout(const struct stat& info) {
  return S_ISCHR(info.st_mode) && info.st_rdev == 0;
}

// Nothing of the layers below shows in it.
bool IsOpaque(int directory) {
  char value = 0;
  return fgetxattr(directory, "trusted.overlay.opaque", &value, 1) == 1 &&
         value == 'y';
}

// The directories that make up one of the mounted tree, topmost first.
using Merged = std::vector<UniqueFd>;

// What `name` is in `parents`; of a directory, `found` gets its parts.
absl::StatusOr<Lookup> Step(const Merged& parents, absl::string_view name,
                            bool is_last, Merged& found) {
  for (const UniqueFd& parent : parents) {
    absl::StatusOr<struct stat> info =
        sys::StatAt(parent.get(), name, AT_SYMLINK_NOFOLLOW);
    if (ErrnoOf(info.status()) == ENOENT) continue;
    RETURN_IF_ERROR(info);
    if (IsWhiteout(*info)) break;
    if (!S_ISDIR(info->st_mode)) {
      // A file below a directory's name is hidden by it.
      if (!found.empty()) break;
      if (S_ISLNK(info->st_mode)) return Lookup::kUntold;
      return is_last ? Lookup::kThere : Lookup::kMissing;
    }
    ASSIGN_OR_RETURN(UniqueFd part,
                     sys::OpenAt(parent.get(), name, kDirectory));
    found.push_back(std::move(part));
    if (IsOpaque(found.back().get())) break;
  }
  return found.empty() ? Lookup::kMissing : Lookup::kThere;
}

}  // namespace

absl::StatusOr<Lookup> LookUpInLayers(int layers_fd,
                                      const std::vector<std::string>& layers,
                                      absl::string_view path) {
  Merged at;
  for (const std::string& layer : layers) {
    ASSIGN_OR_RETURN(UniqueFd root,
                     sys::OpenAt(layers_fd, layer, O_RDONLY | O_DIRECTORY));
    at.push_back(std::move(root));
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  for (size_t i = 0; i < parts.size(); ++i) {
    Merged found;
    ASSIGN_OR_RETURN(Lookup step,
                     Step(at, parts[i], i + 1 == parts.size(), found));
    if (step != Lookup::kThere) return step;
    at = std::move(found);
  }
  return Lookup::kThere;
}

}  // namespace gantry::rootfs
