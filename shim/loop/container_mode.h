// `gantry-shim container`: from donated descriptors to a running loop.
//
// Thread safety: for a process of one thread. Blocks until the container is
// over.

#ifndef GANTRY_SHIM_LOOP_CONTAINER_MODE_H_
#define GANTRY_SHIM_LOOP_CONTAINER_MODE_H_

namespace gantry::shim {

// `shown_id`: the program's argument (kStartedAhead of shim/donation.h has it
// wait for a container, and is then overwritten with the id). The process's
// exit code: 0 if the container was started and has ended, or a shim that was
// started ahead is not needed; 1 if the container was not started.
int RunContainerMode(char* shown_id);

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_LOOP_CONTAINER_MODE_H_
