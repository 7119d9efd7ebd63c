// The use cases behind a streaming session: they make the descriptors whose
// bytes server/streaming carries.
//
// Thread safety: all methods from any thread. A call holds no lock and no
// thread while it waits.

#ifndef GANTRY_SERVER_CORE_STREAM_SERVICE_H_
#define GANTRY_SERVER_CORE_STREAM_SERVICE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"
#include "server/core/node.h"
#include "server/core/stream_request.h"
#include "server/work/task.h"

namespace gantry::core {

// The server's ends, all non-blocking: of pipes, or, in `terminal`, the master
// of a program's terminal. What was not wanted is invalid.
struct ProcessStreams {
  UniqueFd in;
  UniqueFd out;
  UniqueFd err;
  UniqueFd terminal;
};

// A program that runs beside a container's own.
struct RunningExec {
  std::string exec_id;
  Shims::Ptr shim;
  ProcessStreams streams;
};

class StreamService {
 public:
  // `node` must outlive this.
  explicit StreamService(Node& node) : node_(node) {}

  // What can be known before a client comes to fetch its streams. NOT_FOUND,
  // or FAILED_PRECONDITION: the container does not run, has no input to attach
  // to, the pod is not ready.
  absl::Status Check(const StreamRequest& request) const;

  // WaitExec must be called once after OK.
  work::Task<absl::StatusOr<RunningExec>> StartExec(ExecStreamRequest request);
  work::Task<absl::StatusOr<int>> WaitExec(Shims::Ptr shim,
                                           std::string exec_id);
  // Kills the program and all it started. One with a terminal has been told by
  // its hang-up and gets `patience` to end by itself.
  work::Task<void> KillExec(Shims::Ptr shim, std::string exec_id,
                            absl::Duration patience);

  // Ends of pipes at the container's shim; they end with the container.
  work::Task<absl::StatusOr<ProcessStreams>> Attach(AttachRequest request);
  // Of the container's own terminal.
  work::Task<absl::Status> Resize(std::string container_id, uint16_t width,
                                  uint16_t height);

  // A non-blocking TCP socket (AF_INET or AF_INET6), not connected, in the
  // pod's network namespace.
  work::Task<absl::StatusOr<UniqueFd>> SocketInPod(std::string pod_id,
                                                   int domain);

  Node& node() { return node_; }

 private:
  Node& node_;
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_STREAM_SERVICE_H_
