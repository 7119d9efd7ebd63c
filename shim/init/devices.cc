#include "shim/init/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"
#include "runtime/sys/mount.h"

// Macros in <sys/sysmacros.h>, accessors in ours.
#undef major
#undef minor

namespace gantry::init {
namespace {

struct Place {
  UniqueFd parent;
  std::string name;
};

// The directory of `path` inside the root, made if missing, and the last
// component, which is never followed.
absl::StatusOr<Place> PlaceOf(int root, absl::string_view path) {
  size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos || slash + 1 == path.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", path, "\" names no file"));
  }
  ASSIGN_OR_RETURN(UniqueFd parent,
                   sys::MkdirAllInRoot(root, path.substr(0, slash + 1), 0755));
  return Place{std::move(parent), std::string(path.substr(slash + 1))};
}

absl::StatusOr<mode_t> TypeBits(absl::string_view type) {
  if (type == "c" || type == "u") return S_IFCHR;
  if (type == "b") return S_IFBLK;
  if (type == "p") return S_IFIFO;
  return absl::InvalidArgumentError(
      absl::StrCat("device type \"", type, "\" is unknown"));
}

// Binds the host's node, if it is the same device.
absl::Status BindFromHost(const plan::DeviceNode& device, mode_t type,
                          int root) {
  const std::string& source =
      device.host_path().empty() ? device.path() : device.host_path();
  ASSIGN_OR_RETURN(UniqueFd tree,
                   sys::OpenTree(AT_FDCWD, source, OPEN_TREE_CLONE));
  ASSIGN_OR_RETURN(struct stat info, sys::StatFd(tree.get()));
  if ((info.st_mode & S_IFMT) != type ||
      info.st_rdev != makedev(device.major(), device.minor())) {
    return absl::FailedPreconditionError("the host's node is another device");
  }
  ASSIGN_OR_RETURN(UniqueFd target,
                   sys::CreateFileInRoot(root, device.path(), 0644));
  return sys::AttachMount(tree.get(), target.get());
}

absl::Status MakeDevice(const plan::DeviceNode& device, bool own_user,
                        int root) {
  ASSIGN_OR_RETURN(mode_t type, TypeBits(device.type()));
  ASSIGN_OR_RETURN(Place place, PlaceOf(root, device.path()));
  // What the image has there is not the device.
  RETURN_IF_ERROR(sys::UnlinkAt(place.parent.get(), place.name));
  // The umask is 0.
  const mode_t mode = device.mode() & 07777;
  if (mknodat(place.parent.get(), place.name.c_str(), type | mode,
              makedev(device.major(), device.minor())) != 0) {
    if (errno == EPERM) return BindFromHost(device, type, root);
    return ErrnoStatus(errno, "mknod");
  }
  // Root in a user namespace is not the owner of what is the host's.
  if (device.uid() == 0 && device.gid() == 0 && !own_user) {
    return absl::OkStatus();
  }
  if (fchownat(place.parent.get(), place.name.c_str(), device.uid(),
               device.gid(), AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, "chown");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeDevices(const plan::InitPlan& plan, int root) {
  const bool own_user = plan.identity().has_user_namespace();
  for (const plan::DeviceNode& device : plan.devices()) {
    RETURN_IF_ERROR(MakeDevice(device, own_user, root))
        << "make device " << device.path();
  }
  return absl::OkStatus();
}

absl::Status MakeSymlinks(const plan::InitPlan& plan, int root) {
  for (const plan::Symlink& link : plan.symlinks()) {
    ASSIGN_OR_RETURN(Place place, PlaceOf(root, link.path()));
    absl::Status status =
        sys::SymlinkAt(link.target(), place.parent.get(), place.name);
    // A client's mount or device at that name was wanted.
    if (absl::IsAlreadyExists(status)) continue;
    RETURN_IF_ERROR(status) << "link " << link.path();
  }
  return absl::OkStatus();
}

}  // namespace gantry::init
