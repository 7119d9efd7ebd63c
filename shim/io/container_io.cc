#include "shim/io/container_io.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "shim/io/log_rotation.h"

namespace gantry::shim {
namespace {

// A container that bursts is not stopped by its runtime. Pages are used only
// as far as bytes wait, and they are not the shim's.
constexpr int kPipeSize = 1024 * 1024;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) {
    return ErrnoStatus(errno, "make a pipe for the container");
  }
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

OutputPolicy PolicyOf(const spec::Stdio& stdio) {
  const spec::LogPolicy& policy = stdio.log_policy();
  OutputPolicy result{.drops = policy.when_full() == spec::LogPolicy::DROP,
                      .rate = policy.rate()};
  if (policy.max_size() > 0) {
    result.rotation = std::make_unique<const LogRotation>(
        LogRotation{.path = stdio.log_path(),
                    .max_size = policy.max_size(),
                    .max_files = policy.max_files()});
  }
  return result;
}

}  // namespace

ContainerIo::ContainerIo(sys::EpollLoop& loop, const Clock& clock,
                         const spec::Stdio& stdio, UniqueFd log)
    : terminal_(stdio.terminal()),
      wants_stdin_(stdio.stdin()),
      input_(loop, stdio.stdin_once() && !stdio.terminal()),
      output_(loop, clock, std::move(log), PolicyOf(stdio)) {}

absl::StatusOr<std::unique_ptr<ContainerIo>> ContainerIo::Make(
    sys::EpollLoop& loop, const Clock& clock, const spec::Stdio& stdio,
    UniqueFd log) {
  std::unique_ptr<ContainerIo> io(
      new ContainerIo(loop, clock, stdio, std::move(log)));
  if (!io->terminal_) {
    RETURN_IF_ERROR(io->MakePipes());
  }
  return io;
}

absl::Status ContainerIo::MakePipes() {
  if (wants_stdin_) {
    ASSIGN_OR_RETURN(Pipe in, MakePipe());
    child_[0] = std::move(in.read);
    RETURN_IF_ERROR(input_.SetTarget(std::move(in.write)));
  }
  for (Stream stream : {Stream::kStdout, Stream::kStderr}) {
    ASSIGN_OR_RETURN(Pipe out, MakePipe());
    // A smaller pipe (the user's limit is reached) works as well.
    fcntl(out.write.get(), F_SETPIPE_SZ, kPipeSize);
    child_[1 + static_cast<int>(stream)] = std::move(out.write);
    RETURN_IF_ERROR(output_.AddStream(stream, std::move(out.read)));
  }
  return absl::OkStatus();
}

void ContainerIo::CloseChildEnds() {
  for (UniqueFd& fd : child_) fd.Reset();
}

absl::Status ContainerIo::SetConsole(UniqueFd master) {
  if (!terminal_ || console_.valid()) {
    return absl::InternalError("init sent a terminal nobody asked for");
  }
  // One number per registration in epoll, and the loop's users close theirs.
  ASSIGN_OR_RETURN(UniqueFd out, sys::Duplicate(master.get()));
  if (wants_stdin_) {
    ASSIGN_OR_RETURN(UniqueFd in, sys::Duplicate(master.get()));
    RETURN_IF_ERROR(input_.SetTarget(std::move(in)));
  }
  RETURN_IF_ERROR(output_.AddStream(Stream::kStdout, std::move(out)));
  console_ = std::move(master);
  return absl::OkStatus();
}

absl::Status ContainerIo::Resize(uint32_t width, uint32_t height) {
  if (!console_.valid()) {
    return absl::FailedPreconditionError("the container has no terminal");
  }
  winsize size{};
  size.ws_col = static_cast<uint16_t>(std::min(width, 0xffffu));
  size.ws_row = static_cast<uint16_t>(std::min(height, 0xffffu));
  if (ioctl(console_.get(), TIOCSWINSZ, &size) != 0) {
    return ErrnoStatus(errno, "resize the terminal");
  }
  return absl::OkStatus();
}

absl::Status ContainerIo::Attach(AttachFds fds) {
  if (fds.in.valid()) {
    RETURN_IF_ERROR(input_.AddSource(std::move(fds.in)));
  }
  if (fds.out.valid()) {
    RETURN_IF_ERROR(
        output_.attached().Add(Stream::kStdout, std::move(fds.out)));
  }
  // A terminal has one stream of output.
  if (fds.err.valid() && !terminal_) {
    RETURN_IF_ERROR(
        output_.attached().Add(Stream::kStderr, std::move(fds.err)));
  }
  return absl::OkStatus();
}

}  // namespace gantry::shim
