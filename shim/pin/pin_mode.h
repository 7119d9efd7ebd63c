// `gantry-shim pin`: see docs/shim_protocol.md.
//
// Thread safety: for a process of one thread, which it changes for good (it
// enters the namespaces it makes). Blocks for mounts only.

#ifndef GANTRY_SHIM_PIN_PIN_MODE_H_
#define GANTRY_SHIM_PIN_PIN_MODE_H_

#include "absl/status/status.h"
#include "shim/pin/pin_args.h"

namespace gantry::shim {

// Makes and pins what `request` says in the directory. On failure nothing is
// left; should an undo fail, the message says so.
absl::Status Pin(const PinRequest& request, int directory);

// The whole program; the exit code: 0 if all was pinned, or what was made ahead
// is not wanted any more.
int RunPinMode(int argc, char** argv);

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PIN_PIN_MODE_H_
