// What the Container Device Interface says must be done to a container
// (runtime/cdi), done to its spec.
//
// Pure function.

#ifndef GANTRY_SERVER_CORE_CDI_DEVICES_H_
#define GANTRY_SERVER_CORE_CDI_DEVICES_H_

#include "absl/status/status.h"
#include "proto/spec.pb.h"
#include "runtime/cdi/edits.h"

namespace gantry::core {

// Variables take the place of the client's of the same name. A node without an
// owner belongs to the container's user, if that is a number: as containerd has
// it. UNIMPLEMENTED for mounts that are no binds, FAILED_PRECONDITION for
// options that are not known.
absl::Status ApplyCdiEdits(const cdi::Edits& edits, spec::ContainerSpec& spec);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_CDI_DEVICES_H_
