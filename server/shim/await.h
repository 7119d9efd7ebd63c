// Waiting for what a shim does before it has a client.
//
// Thread safety: from any thread; they go on on the executor. The descriptors
// are borrowed until the call returns.

#ifndef GANTRY_SERVER_SHIM_AWAIT_H_
#define GANTRY_SERVER_SHIM_AWAIT_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/shim/envelope.h"
#include "server/work/executor.h"
#include "server/work/loop_thread.h"
#include "server/work/task.h"

namespace gantry::shim_client {

// The next message on the non-blocking `socket`. UNAVAILABLE if it ends or the
// process behind `pidfd` has ended before; DEADLINE_EXCEEDED after `timeout`.
work::Task<absl::StatusOr<Incoming>> AwaitMessage(work::LoopThread& loop,
                                                  work::Executor& executor,
                                                  int socket, int pidfd,
                                                  absl::Duration timeout);

// Whether the process behind `pidfd` has ended within `timeout`.
work::Task<bool> AwaitDeath(work::LoopThread& loop, work::Executor& executor,
                            int pidfd, absl::Duration timeout);

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_AWAIT_H_
