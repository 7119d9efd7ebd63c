// The loopback interface of the calling thread's network namespace.

#ifndef GANTRY_SHIM_PIN_LOOPBACK_H_
#define GANTRY_SHIM_PIN_LOOPBACK_H_

#include "absl/status/status.h"

namespace gantry::shim {

// Brings `lo` up; the kernel gives it its addresses (netdevice(7)).
absl::Status BringLoopbackUp();

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PIN_LOOPBACK_H_
