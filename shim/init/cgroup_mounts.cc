#include "shim/init/cgroup_mounts.h"

#include <errno.h>
#include <fcntl.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"
#include "runtime/sys/mount.h"
#include "shim/init/filesystem.h"

namespace gantry::init {
namespace {

struct Hierarchy {
  absl::string_view directory;
  absl::string_view options;
};

Hierarchy Parse(absl::string_view entry) {
  size_t colon = entry.find(':');
  if (colon == absl::string_view::npos) return {entry, ""};
  return {entry.substr(0, colon), entry.substr(colon + 1)};
}

absl::Status MountOne(const Hierarchy& hierarchy, uint64_t attributes,
                      int target, std::vector<std::string>& degraded) {
  absl::StatusOr<UniqueFd> mount =
      hierarchy.options.empty()
          ? NewFilesystem("cgroup2", "cgroup", {}, attributes)
          : NewFilesystem("cgroup", "cgroup",
                          absl::StrSplit(hierarchy.options, ','), attributes);
  const int error_number = ErrnoOf(mount.status());
  if (error_number == EPERM || error_number == EBUSY) {
    degraded.push_back(absl::StrCat("mount cgroup ", hierarchy.directory, ": ",
                                    ErrnoName(error_number)));
    return absl::OkStatus();
  }
  if (!mount.ok()) return mount.status();
  return sys::AttachMount(mount->get(), target);
}

// "cpu" and "cpuacct" for a directory "cpu,cpuacct", as distributions have it.
absl::Status LinkControllers(const Hierarchy& hierarchy, int directory) {
  if (hierarchy.directory.find(',') == absl::string_view::npos) {
    return absl::OkStatus();
  }
  for (absl::string_view name : absl::StrSplit(hierarchy.directory, ',')) {
    RETURN_IF_ERROR(sys::SymlinkAt(hierarchy.directory, directory, name));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MountCgroups(const plan::MountStep& step, int root,
                          std::vector<std::string>& degraded) {
  ASSIGN_OR_RETURN(UniqueFd target,
                   sys::MkdirAllInRoot(root, step.target(), 0755));
  if (step.options_size() == 1 && Parse(step.options(0)).directory.empty()) {
    return MountOne(Parse(step.options(0)), step.attributes(), target.get(),
                    degraded);
  }
  ASSIGN_OR_RETURN(UniqueFd base,
                   NewFilesystem("tmpfs", "tmpfs", {"mode=755"},
                                 step.attributes() & ~MOUNT_ATTR_RDONLY));
  RETURN_IF_ERROR(sys::AttachMount(base.get(), target.get()));
  for (const std::string& entry : step.options()) {
    Hierarchy hierarchy = Parse(entry);
    // One path component each: the planner made it from a mount's last one.
    RETURN_IF_ERROR(sys::MkdirAt(base.get(), hierarchy.directory, 0755));
    ASSIGN_OR_RETURN(UniqueFd directory,
                     sys::OpenAt(base.get(), hierarchy.directory,
                                 O_PATH | O_DIRECTORY | O_NOFOLLOW));
    RETURN_IF_ERROR(
        MountOne(hierarchy, step.attributes(), directory.get(), degraded))
        << hierarchy.directory;
    RETURN_IF_ERROR(LinkControllers(hierarchy, base.get()));
  }
  if ((step.attributes() & MOUNT_ATTR_RDONLY) == 0) return absl::OkStatus();
  return sys::MountSetAttr(base.get(), "", AT_EMPTY_PATH,
                           {.set = MOUNT_ATTR_RDONLY});
}

}  // namespace gantry::init
