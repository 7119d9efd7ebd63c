// The CDI devices that this node's specifications describe.
//
// Specifications are the *.json and *.yaml files directly in a few directories,
// looked up anew each time: vendors add and take them away as they like. A
// device of a later directory takes the place of one of the same name in an
// earlier one; two in one directory are in conflict, and neither can be had.
// A file that is not a specification costs its own devices alone.
// Thread safety: pure but for the reading. Blocks on the disk.

#ifndef GANTRY_RUNTIME_CDI_REGISTRY_H_
#define GANTRY_RUNTIME_CDI_REGISTRY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/cdi/edits.h"

namespace gantry::cdi {

// All edits for the devices, in their order; those of a file as a whole stand
// before its first device's, once. Directories that are missing are empty.
// NOT_FOUND for a device that no file describes, naming the files that could
// not be read; FAILED_PRECONDITION for one in conflict; UNIMPLEMENTED for one
// that wants what this runtime does not do (Edits.unsupported).
absl::StatusOr<Edits> FindEdits(const std::vector<std::string>& directories,
                                const std::vector<std::string>& names);

}  // namespace gantry::cdi

#endif  // GANTRY_RUNTIME_CDI_REGISTRY_H_
