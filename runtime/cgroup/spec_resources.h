// The limits of a spec in this room's terms.
//
// A pure function; shared by the server, which updates limits, and the shim,
// which sets them first.

#ifndef GANTRY_RUNTIME_CGROUP_SPEC_RESOURCES_H_
#define GANTRY_RUNTIME_CGROUP_SPEC_RESOURCES_H_

#include "proto/spec.pb.h"
#include "runtime/cgroup/resources.h"

namespace gantry::cgroup {

Resources ResourcesOf(const spec::Resources& resources);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_SPEC_RESOURCES_H_
