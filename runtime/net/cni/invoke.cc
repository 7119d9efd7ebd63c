#include "runtime/net/cni/invoke.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/pipe.h"
#include "runtime/sys/spawn.h"

namespace gantry::net::cni {
namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kMaxErrorBytes = 4 << 10;

// Appends what is there, up to a good deal of it: who prints without end must
// not keep us here. False once it has ended.
bool ReadSome(int fd, std::string& into) {
  char buffer[kReadBytes];
  for (size_t round = 0; round < kMaxOutputBytes / kReadBytes + 1; ++round) {
    const ssize_t length = ::read(fd, buffer, sizeof buffer);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return errno == EAGAIN;
    if (length == 0) return false;
    into.append(buffer, static_cast<size_t>(length));
    if (into.size() > kMaxOutputBytes) break;
  }
  return true;
}

class Running {
 public:
  Running(sys::Spawned spawned, UniqueFd output, UniqueFd errors)
      : spawned_(std::move(spawned)),
        output_(std::move(output)),
        errors_(std::move(errors)) {}

  absl::StatusOr<Outcome> Await(int64_t deadline) {
    absl::Status failed = ReadUntilEnd(deadline);
    // Before it is reaped: until then nobody else can have its number.
    if (!failed.ok()) ::kill(-spawned_.pid, SIGKILL);
    ASSIGN_OR_RETURN(sys::ExitStatus status,
                     sys::WaitPidfd(spawned_.pidfd.get()));
    RETURN_IF_ERROR(failed);
    outcome_.exit_code = status.code;
    outcome_.signal = status.signal;
    return std::move(outcome_);
  }

 private:
  // Ends with the program, not with its output: what it left running in the
  // background may hold that open.
  absl::Status ReadUntilEnd(int64_t deadline) {
    while (true) {
      const int64_t left = deadline - RealClock().BootNanos();
      if (left <= 0) {
        return absl::DeadlineExceededError("did not end in time; killed");
      }
      // -1: poll(2) passes over one that has ended.
      pollfd fds[] = {{spawned_.pidfd.get(), POLLIN, 0},
                      {output_ ? output_.get() : -1, POLLIN, 0},
                      {errors_ ? errors_.get() : -1, POLLIN, 0}};
      const int64_t milliseconds =
          std::min<int64_t>(left / 1'000'000 + 1, 1 << 30);
      if (::poll(fds, 3, static_cast<int>(milliseconds)) < 0) {
        if (errno == EINTR) continue;
        return ErrnoStatus(errno, "wait for a plugin");
      }
      RETURN_IF_ERROR(ReadBoth());
      if (fds[0].revents != 0) return absl::OkStatus();
    }
  }

  absl::Status ReadBoth() {
    if (output_ && !ReadSome(output_.get(), outcome_.output)) output_.Reset();
    if (outcome_.output.size() > kMaxOutputBytes) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "printed more than ", kMaxOutputBytes, " bytes; killed"));
    }
    std::string& errors = outcome_.error_output;
    if (errors_ && !ReadSome(errors_.get(), errors)) errors_.Reset();
    if (errors.size() > kMaxErrorBytes) {
      errors.erase(0, errors.size() - kMaxErrorBytes);
    }
    return absl::OkStatus();
  }

  const sys::Spawned spawned_;
  UniqueFd output_;
  UniqueFd errors_;
  Outcome outcome_;
};

absl::Status SetNonblocking(const UniqueFd& fd) {
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "set up a pipe");
}

}  // namespace

absl::StatusOr<std::string> FindPlugin(
    absl::string_view type, const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    std::string path = absl::StrCat(directory, "/", type);
    absl::StatusOr<struct stat> info = sys::StatAt(AT_FDCWD, path);
    if (info.ok() && S_ISREG(info->st_mode)) return path;
  }
  return absl::NotFoundError(absl::StrCat("there is no plugin ", type, " in ",
                                          absl::StrJoin(directories, ", ")));
}

absl::StatusOr<Outcome> Invoke(const Invocation& invocation) {
  ASSIGN_OR_RETURN(sys::Pipe output, sys::MakePipe());
  ASSIGN_OR_RETURN(sys::Pipe errors, sys::MakePipe());
  // Of our ends only: the program has a right to pipes that block.
  RETURN_IF_ERROR(SetNonblocking(output.read));
  RETURN_IF_ERROR(SetNonblocking(errors.read));
  sys::SpawnRequest request;
  request.path = invocation.program;
  request.argv = {invocation.program};
  request.env = invocation.env;
  request.fds = {{invocation.stdin_fd, STDIN_FILENO},
                 {output.write.get(), STDOUT_FILENO},
                 {errors.write.get(), STDERR_FILENO}};
  // No session: the scheduler would weigh it against all others (spawn.h),
  // which made plugins a fifth slower on a busy machine.
  request.group = sys::ProcessGroup::kOwn;
  ASSIGN_OR_RETURN(sys::Spawned spawned, sys::Spawner().Spawn(request));
  output.write.Reset();
  errors.write.Reset();
  if (invocation.meanwhile) invocation.meanwhile();
  return Running(std::move(spawned), std::move(output.read),
                 std::move(errors.read))
      .Await(invocation.deadline);
}

}  // namespace gantry::net::cni
