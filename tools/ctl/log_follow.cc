#include "tools/ctl/log_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "tools/ctl/interrupt.h"
#include "tools/ctl/log_line.h"

namespace gantry::ctl {
namespace {

constexpr size_t kMaxLine = 1 << 20;
constexpr size_t kReadBytes = 64 << 10;
// How far back SkipToLast looks for the beginning of its lines.
constexpr int64_t kMaxTailBytes = int64_t{64} << 20;

// A short program's end is seen soon, a long one's is not asked for often.
constexpr absl::Duration kFirstPause = absl::Milliseconds(2);
constexpr absl::Duration kLongestPause = absl::Milliseconds(100);
constexpr absl::Duration kServerMayBeAway = absl::Seconds(30);

absl::StatusOr<std::string> ReadAt(int fd, int64_t offset, size_t size) {
  std::string data(size, '\0');
  size_t filled = 0;
  while (filled < size) {
    const ssize_t got = pread(fd, data.data() + filled, size - filled,
                              offset + static_cast<int64_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read the log");
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  data.resize(filled);
  return data;
}

}  // namespace

LogFollower::LogFollower(std::string path, std::ostream& out, std::ostream& err)
    : path_(std::move(path)), out_(out), err_(err) {}

absl::Status LogFollower::OpenIfNeeded() {
  if (file_.valid()) return absl::OkStatus();
  absl::StatusOr<UniqueFd> file =
      sys::OpenAt(AT_FDCWD, path_, O_RDONLY | O_NONBLOCK);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  ASSIGN_OR_RETURN(file_, std::move(file), "open the log");
  offset_ = 0;
  return absl::OkStatus();
}

bool LogFollower::Replaced() const {
  const absl::StatusOr<struct stat> ours = sys::StatFd(file_.get());
  const absl::StatusOr<struct stat> named = sys::StatAt(AT_FDCWD, path_);
  return ours.ok() && named.ok() &&
         (ours->st_ino != named->st_ino || ours->st_dev != named->st_dev);
}

absl::Status LogFollower::SkipToLast(size_t lines) {
  RETURN_IF_ERROR(OpenIfNeeded());
  if (!file_.valid()) return absl::OkStatus();
  ASSIGN_OR_RETURN(struct stat there, sys::StatFd(file_.get()));
  const int64_t size = there.st_size;
  for (int64_t window = kReadBytes;; window *= 4) {
    window = std::min({window, size, kMaxTailBytes});
    ASSIGN_OR_RETURN(std::string text, ReadAt(file_.get(), size - window,
                                              static_cast<size_t>(window)));
    const bool whole = window == size || window == kMaxTailBytes;
    // The window may begin within a line.
    const size_t first = window == size ? 0 : text.find('\n') + 1;
    const size_t tail = TailOffset(
        absl::string_view(text).substr(std::min(first, text.size())), lines);
    if (tail > 0 || whole) {
      offset_ = size - window + static_cast<int64_t>(first + tail);
      return absl::OkStatus();
    }
  }
}

absl::StatusOr<bool> LogFollower::Poll() {
  bool any = false;
  // Once more when the file was replaced behind our back.
  for (int file = 0; file < 2; ++file) {
    RETURN_IF_ERROR(OpenIfNeeded());
    if (!file_.valid()) break;
    const bool replaced = Replaced();
    ASSIGN_OR_RETURN(bool some, ReadToEnd());
    any = any || some;
    if (!replaced) break;
    file_.Reset();
  }
  out_.flush();
  err_.flush();
  if (!out_.good() || !err_.good()) {
    return absl::CancelledError("the output takes no more");
  }
  return any;
}

absl::StatusOr<bool> LogFollower::ReadToEnd() {
  ASSIGN_OR_RETURN(struct stat there, sys::StatFd(file_.get()));
  if (there.st_size < offset_) {
    offset_ = 0;
    pending_.clear();
  }
  bool any = false;
  while (out_.good() && err_.good()) {
    ASSIGN_OR_RETURN(std::string data,
                     ReadAt(file_.get(), offset_, kReadBytes));
    if (data.empty()) break;
    any = true;
    offset_ += static_cast<int64_t>(data.size());
    pending_ += data;
    RETURN_IF_ERROR(Print()) << path_;
    if (data.size() < kReadBytes || Interrupted()) break;
  }
  return any;
}

absl::Status LogFollower::Print() {
  size_t begin = 0;
  while (true) {
    const size_t end = pending_.find('\n', begin);
    if (end == std::string::npos) break;
    PrintLine(absl::string_view(pending_).substr(begin, end - begin));
    begin = end + 1;
  }
  pending_.erase(0, begin);
  if (pending_.size() > kMaxLine) {
    return absl::DataLossError("a line of the log is longer than 1 MiB");
  }
  return absl::OkStatus();
}

void LogFollower::PrintLine(absl::string_view line) {
  const std::optional<LogLine> parsed = ParseLogLine(line);
  std::ostream& to = parsed.has_value() && parsed->is_stderr ? err_ : out_;
  const absl::string_view content = parsed.has_value() ? parsed->content : line;
  to.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!parsed.has_value() || !parsed->partial) to.put('\n');
}

absl::StatusOr<v1::ContainerStatus> FollowUntilExit(Client& client,
                                                    const std::string& id,
                                                    LogFollower& log) {
  v1::ContainerStatusRequest request;
  request.set_container_id(id);
  absl::Duration pause = kFirstPause;
  absl::Time answered = absl::Now();
  while (!Interrupted()) {
    const absl::StatusOr<v1::ContainerStatusResponse> status =
        client.Call(request);
    if (status.ok()) {
      answered = absl::Now();
    } else if (!absl::IsUnavailable(status.status()) ||
               absl::Now() - answered > kServerMayBeAway) {
      return status.status();
    }
    // After the question: what an exited container wrote is all there.
    ASSIGN_OR_RETURN(bool any, log.Poll());
    if (status.ok() && status->status().state() == v1::CONTAINER_EXITED) {
      // A reader that stopped at a piece's end may have left some.
      while (any && !Interrupted()) {
        ASSIGN_OR_RETURN(any, log.Poll());
      }
      return status->status();
    }
    SleepUnlessInterrupted(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
  return absl::CancelledError("interrupted");
}

}  // namespace gantry::ctl
