// Which system calls are worth a kill, and which an error; what one is about.
//
// Thread safety: functions of a thread that is stopped before a system call,
// for its tracer. Blocking: no.

#ifndef GANTRY_TEST_SWEEP_STATE_CALLS_H_
#define GANTRY_TEST_SWEEP_STATE_CALLS_H_

#include <sys/types.h>

#include <string>

#include "absl/strings/string_view.h"
#include "test/trace/tracer.h"

namespace gantry::sweep {

// Whether the call changes what somebody else can see, or what is there after
// the process: files, mounts, namespaces, processes, cgroups, messages. Not
// what threads of one process say to each other (eventfd, epoll).
bool ChangesState(pid_t thread, absl::string_view name,
                  const trace::Call& call);

// Whether the call can be made to fail with that errno for its caller to see:
// it is no request for memory, no call that cannot fail, nothing between
// threads. A call that waits can be interrupted (EINTR), no more.
bool CanFail(pid_t thread, absl::string_view name, const trace::Call& call,
             int error);

// "mkdirat /run/x/y": the name, and the path or descriptor that it is about.
std::string Describe(pid_t thread, absl::string_view name,
                     const trace::Call& call);

}  // namespace gantry::sweep

#endif  // GANTRY_TEST_SWEEP_STATE_CALLS_H_
