// What this host and its configuration let clients ask for: what the pure
// translations need to know to refuse the rest by name.

#ifndef GANTRY_SERVER_CRI_HOST_ABILITIES_H_
#define GANTRY_SERVER_CRI_HOST_ABILITIES_H_

#include "proto/spec.pb.h"

namespace gantry::cri {

struct HostAbilities {
  bool apparmor = false;
  // mount_setattr(2) with AT_RECURSIVE (Linux 5.12).
  bool recursive_read_only = false;
  // Of containers whose client says nothing: CRI's default is Unconfined.
  spec::SeccompProfile::Kind unset_seccomp = spec::SeccompProfile::UNCONFINED;
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_HOST_ABILITIES_H_
