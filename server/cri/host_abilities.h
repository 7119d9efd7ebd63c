// What this host and its configuration let clients ask for: what the pure
// translations need to know to refuse the rest by name.

#ifndef GANTRY_SERVER_CRI_HOST_ABILITIES_H_
#define GANTRY_SERVER_CRI_HOST_ABILITIES_H_

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/spec.pb.h"
#include "runtime/image/reference.h"

namespace gantry::cri {

struct HostAbilities {
  bool apparmor = false;
  // The AppArmor profile for RuntimeDefault, by the kernel's name for it.
  std::string default_apparmor_profile;
  // Whether the kernel has a profile of that name now; set where AppArmor is.
  std::function<bool(absl::string_view)> has_apparmor_profile;
  // SELinux is on, with labels for containers in its policy.
  bool selinux = false;
  // mount_setattr(2) with AT_RECURSIVE (Linux 5.12).
  bool recursive_read_only = false;
  // Pods are slices of systemd's: a cgroup_parent is one as well.
  bool systemd_cgroups = false;
  // User namespaces for pods; also for those on the node's network.
  bool user_namespaces = false;
  bool user_namespaces_host_network = false;
  // Of containers whose client says nothing: CRI's default is Unconfined.
  spec::SeccompProfile::Kind unset_seccomp = spec::SeccompProfile::UNCONFINED;
  // Names, with tag or digest, of images that clients shall keep.
  std::set<std::string> pinned_images;
  // What names of images without a registry mean.
  image::ShortNames short_names;
  // Names of runtime handlers beside the default one, which is "". They are all
  // alike: a name is what a RuntimeClass can select by.
  std::vector<std::string> runtime_handlers;
};

// INVALID_ARGUMENT, naming those there are, unless `name` is a handler's.
absl::Status CheckRuntimeHandler(absl::string_view field,
                                 absl::string_view name,
                                 const HostAbilities& host);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_HOST_ABILITIES_H_
