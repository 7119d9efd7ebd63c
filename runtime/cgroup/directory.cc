#include "runtime/cgroup/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/control_text.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {

namespace {

constexpr mode_t kMode = 0755;
// Enough for the pids of two million processes.
constexpr size_t kMaxProcsBytes = 16 << 20;

// Gone, or going: a control file of a cgroup being removed answers ENODEV.
bool IsGone(const absl::Status& status) {
  const int error = ErrnoOf(status);
  return error == ENOENT || error == ENODEV;
}

// "" for a path of one component, which stands for the hierarchy's root.
std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string FileIn(const std::string& directory, absl::string_view file) {
  return directory.empty() ? std::string(file)
                           : absl::StrCat(directory, "/", file);
}

std::vector<absl::string_view> Words(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
}

// Turns on what `wanted` names in the children of `directory`. The kernel takes
// a list as a whole or not at all; one controller may be impossible (cpu with
// realtime processes about, any in a cgroup with processes of its own), so they
// are tried one by one then. What stays off is noticed when a limit needs it.
void EnableControllers(int fd, const std::string& directory,
                       const std::vector<std::string>& wanted) {
  const std::string file = FileIn(directory, "cgroup.subtree_control");
  const std::string all = absl::StrCat("+", absl::StrJoin(wanted, " +"));
  if (sys::WriteFileAt(fd, file, all).ok()) return;
  for (const std::string& controller : wanted) {
    sys::WriteFileAt(fd, file, absl::StrCat("+", controller)).IgnoreError();
  }
}

// Whether all of `wanted` are on for the children of `directory`.
bool AllEnabled(int fd, const std::string& directory,
                const std::vector<std::string>& wanted) {
  const absl::StatusOr<std::string> text =
      sys::ReadFileAt(fd, FileIn(directory, "cgroup.subtree_control"));
  if (!text.ok()) return false;
  const std::vector<absl::string_view> on = Words(*text);
  return std::all_of(wanted.begin(), wanted.end(), [&on](const auto& name) {
    return std::find(on.begin(), on.end(), name) != on.end();
  });
}

// From the root down: a controller can only be on where it is on above.
void EnableAbove(int fd, const std::string& path,
                 const std::vector<std::string>& wanted) {
  const std::string parent = ParentOf(path);
  if (wanted.empty() || AllEnabled(fd, parent, wanted)) return;
  if (!parent.empty()) EnableAbove(fd, parent, wanted);
  EnableControllers(fd, parent, wanted);
}

// A new v1 cpuset is empty and takes no process: it gets its parent's values,
// and so on upwards.
absl::Status HandDown(int fd, const std::string& path, const char* file) {
  const std::string own = FileIn(path, file);
  absl::StatusOr<std::string> text = sys::ReadFileAt(fd, own);
  // Mounted with "noprefix", or the effective sets need no help.
  if (!text.ok() && ErrnoOf(text.status()) == ENOENT) return absl::OkStatus();
  RETURN_IF_ERROR(text) << "cpuset of " << path;
  if (!absl::StripAsciiWhitespace(*text).empty()) return absl::OkStatus();
  const std::string parent = ParentOf(path);
  if (!parent.empty()) {
    RETURN_IF_ERROR(HandDown(fd, parent, file));
  }
  text = sys::ReadFileAt(fd, FileIn(parent, file));
  RETURN_IF_ERROR(text) << "cpuset above " << path;
  RETURN_IF_ERROR(sys::WriteFileAt(fd, own, absl::StripAsciiWhitespace(*text)))
      << "hand down " << file << " to cgroup " << path;
  return absl::OkStatus();
}

absl::Status MakeOne(int fd, const std::string& path, UndoStack& undo) {
  absl::Status status = sys::MkdirAt(fd, path, kMode);
  if (status.ok()) {
    // Never what others have made below it meanwhile.
    undo.Push(absl::StrCat("remove cgroup ", path),
              [fd, path] { return sys::RmdirAt(fd, path); });
  }
  return ErrnoOf(status) == EEXIST ? absl::OkStatus() : status;
}

absl::Status MakeAll(int fd, const std::string& path, UndoStack& undo) {
  absl::Status status = MakeOne(fd, path, undo);
  const std::string parent = ParentOf(path);
  if (ErrnoOf(status) != ENOENT || parent.empty()) return status;
  RETURN_IF_ERROR(MakeAll(fd, parent, undo));
  return MakeOne(fd, path, undo);
}

}  // namespace

absl::Status MakeCgroup(const Hierarchies& hierarchies, size_t index,
                        const std::string& path, UndoStack& undo) {
  const Hierarchy& hierarchy = hierarchies[index];
  const int fd = hierarchies.fd(index);
  RETURN_IF_ERROR(MakeAll(fd, path, undo))
      << "make cgroup " << path << " in " << hierarchy.mount_path;
  if (hierarchy.version == Version::kV2) {
    EnableAbove(fd, path, hierarchy.controllers);
    return absl::OkStatus();
  }
  for (const std::string& controller : hierarchy.controllers) {
    if (controller != "cpuset") continue;
    RETURN_IF_ERROR(HandDown(fd, path, "cpuset.cpus"));
    RETURN_IF_ERROR(HandDown(fd, path, "cpuset.mems"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ChildCgroups(int fd,
                                                      const std::string& path) {
  std::vector<std::string> names;
  const auto info = sys::StatAt(fd, path, AT_SYMLINK_NOFOLLOW);
  if (!info.ok()) {
    if (IsGone(info.status())) return names;
    return info.status();
  }
  // A link for itself and one for its name: no directory below.
  if (info->st_nlink == 2) return names;
  const auto entries = sys::ListDirAt(fd, path);
  if (!entries.ok()) {
    if (IsGone(entries.status())) return names;
    return entries.status();
  }
  for (const sys::DirEntry& entry : *entries) {
    if (entry.type == DT_DIR) names.push_back(entry.name);
  }
  return names;
}

absl::Status AppendProcesses(int fd, const std::string& path, bool recursive,
                             std::vector<pid_t>& pids) {
  const absl::StatusOr<std::string> text =
      sys::ReadFileAt(fd, FileIn(path, "cgroup.procs"), kMaxProcsBytes);
  if (text.ok()) {
    const std::vector<pid_t> found = ParsePids(*text);
    pids.insert(pids.end(), found.begin(), found.end());
  } else if (ErrnoOf(text.status()) != EOPNOTSUPP && !IsGone(text.status())) {
    // EOPNOTSUPP: a threaded cgroup; its processes are listed at its domain.
    return Annotate(text.status(), "list processes");
  }
  if (!recursive) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<std::string> children,
                   ChildCgroups(fd, path));
  for (const std::string& child : children) {
    RETURN_IF_ERROR(AppendProcesses(fd, FileIn(path, child), true, pids));
  }
  return absl::OkStatus();
}

absl::Status RemoveCgroup(int fd, const std::string& path) {
  absl::Status status = sys::RmdirAt(fd, path);
  const int error = ErrnoOf(status);
  if (IsGone(status)) return absl::OkStatus();
  if (error != EBUSY && error != ENOTEMPTY) return status;
  ASSIGN_OR_RETURN(const std::vector<std::string> children,
                   ChildCgroups(fd, path));
  if (children.empty()) return status;
  for (const std::string& child : children) {
    RETURN_IF_ERROR(RemoveCgroup(fd, FileIn(path, child)));
  }
  status = sys::RmdirAt(fd, path);
  return IsGone(status) ? absl::OkStatus() : status;
}

}  // namespace gantry::cgroup
