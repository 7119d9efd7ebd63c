#include "server/host.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/detect.h"
#include "runtime/plan/host_reader.h"
#include "runtime/plan/selinux.h"
#include "runtime/state/boot_id.h"
#include "runtime/sys/file.h"
#include "server/apparmor.h"
#include "server/cgroup_driver.h"
#include "server/kernel.h"

namespace gantry::server {
namespace {

// In the terms of the plan, for shims that read no mount table.
plan::CgroupHierarchy ToPlan(const cgroup::Hierarchy& hierarchy) {
  plan::CgroupHierarchy to;
  to.set_mount_path(hierarchy.mount_path);
  to.set_unified(hierarchy.version == cgroup::Version::kV2);
  to.mutable_controllers()->Assign(hierarchy.controllers.begin(),
                                   hierarchy.controllers.end());
  return to;
}

// Profiles come and go while the server runs.
absl::StatusOr<std::function<bool(absl::string_view)>> ProfileLookup() {
  ASSIGN_OR_RETURN(UniqueFd root,
                   sys::OpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
  auto kept = std::make_shared<const UniqueFd>(std::move(root));
  return [kept](absl::string_view name) {
    return HasAppArmorProfile(kept->get(), name);
  };
}

}  // namespace

absl::StatusOr<Host> ReadHost() {
  Host host;
  ASSIGN_OR_RETURN(UniqueFd root,
                   sys::OpenAt(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(UniqueFd proc,
                   sys::OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(host.boot_id, state::BootId(proc.get()));
  ASSIGN_OR_RETURN(cgroup::Layout layout, cgroup::DetectLayout(root.get()),
                   "look for cgroups");
  host.cgroup_mode = std::string(cgroup::ModeName(cgroup::ModeOf(layout)));
  for (const cgroup::Hierarchy& hierarchy : layout.hierarchies) {
    host.controllers.insert(host.controllers.end(),
                            hierarchy.controllers.begin(),
                            hierarchy.controllers.end());
  }
  ASSIGN_OR_RETURN(cgroup::Hierarchies cgroups,
                   cgroup::Hierarchies::Open(layout));
  host.cgroups =
      std::make_unique<const cgroup::Hierarchies>(std::move(cgroups));
  host.systemd = HasSystemd(root.get());
  host.abilities.apparmor = HasAppArmor(root.get());
  host.abilities.default_apparmor_profile = kAppArmorDefault;
  ASSIGN_OR_RETURN(host.abilities.has_apparmor_profile, ProfileLookup());
  std::optional<plan::SelinuxContexts> selinux =
      plan::ReadSelinuxContexts(root.get());
  host.abilities.selinux = selinux.has_value();
  host.selinux_without_contexts = !selinux && HasSelinux(root.get());
  host.abilities.recursive_read_only = HasSystemCall(SYS_mount_setattr);
  ASSIGN_OR_RETURN(
      host.facts,
      plan::ReadHostFacts(proc.get(), plan::MakeHostDevices(std::move(root))));
  host.facts.selinux = std::move(selinux);
  for (const cgroup::Hierarchy& hierarchy : layout.hierarchies) {
    host.facts.hierarchies.push_back(ToPlan(hierarchy));
  }
  return host;
}

}  // namespace gantry::server
