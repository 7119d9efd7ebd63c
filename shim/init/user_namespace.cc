#include "shim/init/user_namespace.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/sys/namespaces.h"
#include "shim/init/namespaces.h"

namespace gantry::init {
namespace {

absl::StatusOr<uint32_t> Outside(const spec::IdMapping& map, uint32_t inside,
                                 absl::string_view kind) {
  if (inside >= map.container_id() &&
      inside - map.container_id() < map.length()) {
    return map.host_id() + (inside - map.container_id());
  }
  return absl::InvalidArgumentError(absl::StrCat(
      kind, " ", inside,
      " is not mapped in the pod's user namespace, which has ",
      map.container_id(), " to ", map.container_id() + map.length() - 1));
}

// A change of the file system user id from 0 takes the capabilities over files
// out of the effective set (capabilities(7)); the permitted set keeps them.
absl::Status RaiseEffective() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) {
    return ErrnoStatus(errno, "capget");
  }
  for (__user_cap_data_struct& half : data) half.effective = half.permitted;
  if (syscall(SYS_capset, &header, data) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "capset");
}

}  // namespace

absl::StatusOr<ResolvedUser> OutsideUser(const spec::UserNamespace& space,
                                         const ResolvedUser& user) {
  ResolvedUser outside = user;
  ASSIGN_OR_RETURN(outside.uid, Outside(space.uids(), user.uid, "user"));
  ASSIGN_OR_RETURN(outside.gid, Outside(space.gids(), user.gid, "group"));
  for (uint32_t& gid : outside.groups) {
    ASSIGN_OR_RETURN(gid, Outside(space.gids(), gid, "group"));
  }
  return outside;
}

absl::Status ActAsMappedRoot(const spec::UserNamespace& space) {
  ASSIGN_OR_RETURN(const ResolvedUser root, OutsideUser(space, ResolvedUser()));
  setfsgid(root.gid);
  setfsuid(root.uid);
  // They fail silently and say what was (setfsuid(2)); -1 changes nothing.
  if (setfsgid(-1) != static_cast<int>(root.gid) ||
      setfsuid(-1) != static_cast<int>(root.uid)) {
    return absl::PermissionDeniedError(
        absl::StrCat("act as user ", root.uid, ", group ", root.gid,
                     ": the kernel did not change the file system ids"));
  }
  return RaiseEffective();
}

absl::Status EnterUserNamespace(int fd, Mounts mounts) {
  RETURN_IF_ERROR(sys::SetNs(fd, CLONE_NEWUSER)) << "join user namespace";
  if (mounts == Mounts::kOwn) {
    RETURN_IF_ERROR(sys::Unshare(CLONE_NEWNS))
        << "mount namespace of the user namespace";
  }
  // The one made before is the host root's.
  LeaveSessionKeyring();
  return absl::OkStatus();
}

}  // namespace gantry::init
