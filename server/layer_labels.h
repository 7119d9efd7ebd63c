// SELinux labels of image layers as they lie on the disk.
//
// A container sees its rootfs with a label of its pod's (mount option
// "context"), but where a program is mapped the kernel asks for the label of
// the file below the overlay too (security_file_mprotect on the real file).
// So layers have the type that the policy lets every container read.

#ifndef GANTRY_SERVER_LAYER_LABELS_H_
#define GANTRY_SERVER_LAYER_LABELS_H_

#include <string>

#include "absl/status/status.h"

namespace gantry::server {

// Gives `directory` and all below it `label`, unless it has it: then so has
// what is below, for files inherit it, and `directory` itself gets it last.
// Blocks for a walk over all layers the first time, and after a change of the
// policy. Thread safety: nobody else writes below `directory` meanwhile.
absl::Status LabelLayers(const std::string& directory,
                         const std::string& label);

}  // namespace gantry::server

#endif  // GANTRY_SERVER_LAYER_LABELS_H_
