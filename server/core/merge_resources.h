// What an update of a container's limits makes of those it has.
//
// A pure function.

#ifndef GANTRY_SERVER_CORE_MERGE_RESOURCES_H_
#define GANTRY_SERVER_CORE_MERGE_RESOURCES_H_

#include "proto/spec.pb.h"

namespace gantry::core {

// Overwrites in `target` what `update` sets.
void MergeResources(const spec::Resources& update, spec::Resources& target);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_MERGE_RESOURCES_H_
