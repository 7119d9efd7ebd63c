// `gantry-shim container`: from donated descriptors to a running loop.
//
// Thread safety: for a process of one thread. Blocks until the container is
// over.

#ifndef GANTRY_SHIM_LOOP_CONTAINER_MODE_H_
#define GANTRY_SHIM_LOOP_CONTAINER_MODE_H_

namespace gantry::shim {

// The process's exit code: 0 if the container was started and has ended, 1 if
// it was not started.
int RunContainerMode();

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_LOOP_CONTAINER_MODE_H_
