#include "server/user_namespaces.h"

#include <fcntl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"
#include "server/core/paths.h"

namespace gantry::server {
namespace {

constexpr absl::string_view kProbe = "probe";
// Any range does.
constexpr uint32_t kFirstId = 65536;

spec::IdMapping AnyMapping() {
  spec::IdMapping mapping;
  mapping.set_host_id(kFirstId);
  mapping.set_length(kFirstId);
  return mapping;
}

absl::Status MapIds(int mount, int user_namespace) {
  return sys::MountSetAttr(
      mount, "", AT_EMPTY_PATH,
      {.set = MOUNT_ATTR_IDMAP, .userns_fd = user_namespace});
}

// Containers' volumes and /etc files lie on tmpfs, too. It learned this last
// (Linux 6.3), overlayfs on mapped layers earlier (5.19).
absl::Status TryTmpfs(int user_namespace) {
  ASSIGN_OR_RETURN(UniqueFd context, sys::FsOpen("tmpfs"));
  RETURN_IF_ERROR(sys::FsConfigCreate(context.get()));
  ASSIGN_OR_RETURN(UniqueFd mount, sys::FsMount(context.get(), 0));
  RETURN_IF_ERROR(MapIds(mount.get(), user_namespace))
      << "map the ids of a tmpfs";
  return absl::OkStatus();
}

absl::Status TryDirectory(const std::string& directory, int user_namespace) {
  ASSIGN_OR_RETURN(UniqueFd tree,
                   sys::OpenTree(AT_FDCWD, directory, OPEN_TREE_CLONE));
  RETURN_IF_ERROR(MapIds(tree.get(), user_namespace))
      << "map the ids of " << directory;
  return absl::OkStatus();
}

absl::Status TryMounts(int probe, const std::vector<std::string>& directories) {
  ASSIGN_OR_RETURN(UniqueFd user_namespace,
                   sys::OpenAt(probe, core::kUserPin, O_RDONLY));
  RETURN_IF_ERROR(TryTmpfs(user_namespace.get()));
  for (const std::string& directory : directories) {
    RETURN_IF_ERROR(TryDirectory(directory, user_namespace.get()));
  }
  return absl::OkStatus();
}

// Also of a server that was killed here.
absl::Status RemoveProbe(int run) {
  // Not there, or not mounted, is done.
  sys::Umount(
      absl::StrCat("/proc/self/fd/", run, "/", kProbe, "/", core::kUserPin),
      MNT_DETACH | UMOUNT_NOFOLLOW)
      .IgnoreError();
  return sys::RemoveTreeAt(run, kProbe);
}

}  // namespace

work::Task<absl::Status> TryUserNamespaces(
    shim_client::Launcher& launcher, std::string run_dir,
    std::vector<std::string> directories) {
  CO_ASSIGN_OR_RETURN(UniqueFd run,
                      sys::OpenAt(AT_FDCWD, run_dir, O_RDONLY | O_DIRECTORY));
  CO_RETURN_IF_ERROR(RemoveProbe(run.get()));
  CO_RETURN_IF_ERROR(sys::MkdirAt(run.get(), kProbe, 0700));
  CO_ASSIGN_OR_RETURN(UniqueFd probe,
                      sys::OpenAt(run.get(), kProbe, O_RDONLY | O_DIRECTORY));
  shim_client::PinRequest pin;
  pin.run_dir_fd = probe.get();
  pin.user.emplace();
  *pin.user->mutable_uids() = AnyMapping();
  *pin.user->mutable_gids() = AnyMapping();
  absl::Status status = co_await launcher.PinNamespaces(std::move(pin));
  if (status.ok()) status = TryMounts(probe.get(), directories);
  const absl::Status removed = RemoveProbe(run.get());
  co_return status.ok() ? removed : status;
}

}  // namespace gantry::server
