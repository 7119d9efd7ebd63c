// All standard streams of one container.
//
// Makes the pipes, holds the shim's ends (or the pty's master), writes the log
// and serves attach clients. Ownership: of all descriptors; `loop` and `clock`
// must outlive this. Thread safety: none. Blocks only for write(2) on the log.

#ifndef GANTRY_SHIM_IO_CONTAINER_IO_H_
#define GANTRY_SHIM_IO_CONTAINER_IO_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/spec.pb.h"
#include "runtime/base/clock.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"
#include "shim/io/input.h"
#include "shim/io/output.h"

namespace gantry::shim {

// Descriptors of one attach client; invalid ones are not wanted.
struct AttachFds {
  UniqueFd in;
  UniqueFd out;
  UniqueFd err;
};

class ContainerIo {
 public:
  // Makes what `stdio` asks for. `log` may be invalid: output is discarded.
  static absl::StatusOr<std::unique_ptr<ContainerIo>> Make(
      sys::EpollLoop& loop, const Clock& clock, const spec::Stdio& stdio,
      UniqueFd log);

  // The container's end of stream 0, 1 or 2; -1: none (/dev/null), or a
  // terminal. Valid until CloseChildEnds.
  int child_fd(int stream) const { return child_[stream].get(); }
  // After the clone: so that the end of the container ends its streams.
  void CloseChildEnds();

  // The pty's master has come: input and output go through it.
  absl::Status SetConsole(UniqueFd master);

  // FAILED_PRECONDITION without a terminal.
  absl::Status Resize(uint32_t width, uint32_t height);

  // FAILED_PRECONDITION if input is asked for that the container doesn't have.
  absl::Status Attach(AttachFds fds);

  void CloseStdin() { input_.Close(); }

  Output& output() { return output_; }

 private:
  ContainerIo(sys::EpollLoop& loop, const Clock& clock,
              const spec::Stdio& stdio, UniqueFd log);

  absl::Status MakePipes();

  const bool terminal_;
  const bool wants_stdin_;
  UniqueFd child_[3];
  UniqueFd console_;
  Input input_;
  Output output_;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_CONTAINER_IO_H_
