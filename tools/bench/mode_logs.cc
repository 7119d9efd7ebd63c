#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "tools/bench/floor_child.h"
#include "tools/bench/lanes.h"
#include "tools/bench/log_check.h"
#include "tools/bench/mode.h"
#include "tools/bench/stopwatch.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {
namespace {

namespace v1 = ctl::v1;

constexpr absl::Duration kLook = absl::Milliseconds(1);
// How often the server is asked meanwhile, and how long an output may take that
// its program has already written.
constexpr absl::Duration kAsk = absl::Milliseconds(200);
constexpr absl::Duration kDrain = absl::Seconds(10);

// The end of a file, up to 64 bytes; empty for one that is not there yet.
absl::StatusOr<std::string> TailOf(int dirfd, const std::string& name) {
  const absl::StatusOr<UniqueFd> file =
      sys::OpenAt(dirfd, name, O_RDONLY | O_NOFOLLOW);
  if (absl::IsNotFound(file.status())) return std::string();
  RETURN_IF_ERROR(file);
  ASSIGN_OR_RETURN(const struct stat stat, sys::StatFd(file->get()));
  std::string tail(static_cast<size_t>(std::min<int64_t>(64, stat.st_size)),
                   '\0');
  const ssize_t got = pread(file->get(), tail.data(), tail.size(),
                            stat.st_size - static_cast<off_t>(tail.size()));
  if (got < 0) return ErrnoStatus(errno, absl::StrCat("read ", name));
  tail.resize(static_cast<size_t>(got));
  return tail;
}

bool IsWhole(const std::string& tail) {
  return absl::EndsWith(tail, absl::StrCat(" F ", kEndOfLines, "\n"));
}

class LogLane : public Lane {
 public:
  LogLane(const ModeOptions& options, NumberedLines lines, NamedServer server,
          const RunMark& mark)
      : options_(options),
        lines_(lines),
        server_(std::move(server)),
        mark_(mark) {}

  absl::Status Connect(Report* report) {
    server_.endpoint.command = {"sh", "-c", lines_.Script()};
    ASSIGN_OR_RETURN(endpoint_, Endpoint::Connect(server_.endpoint, mark_),
                     server_.title);
    SetServerFacts(server_, *endpoint_, report);
    return absl::OkStatus();
  }

  absl::Status Take(int round, Report* report) override {
    ASSIGN_OR_RETURN(const int64_t nanos, Write(round), server_.title);
    report->Row(NameOf(server_, "lines into the log")).Add(nanos);
    return absl::OkStatus();
  }
  absl::Status RemoveAll() override {
    return Annotate(endpoint_->RemoveAll(), server_.title);
  }
  void AddRates(Report* report) const {
    const double seconds =
        report->Row(NameOf(server_, "lines into the log")).Median() / 1e9;
    const auto bytes = static_cast<double>(lines_.total_bytes());
    report->AddValue(NameOf(server_, "output"), bytes / 1e6 / seconds, "MB/s");
    report->AddValue(NameOf(server_, "lines"), lines_.total() / seconds, "1/s");
    report->AddValue(NameOf(server_, "log"), log_bytes_ / 1e6 / seconds,
                     "MB/s");
  }

 private:
  // One container's whole output; how long it took to be in the log.
  absl::StatusOr<int64_t> Write(int round) {
    const std::string log = endpoint_->LogPath(round);
    const std::string name = log.substr(log.rfind('/') + 1);
    ASSIGN_OR_RETURN(
        const UniqueFd directory,
        sys::OpenAt(AT_FDCWD, mark_.log_directory(), O_RDONLY | O_DIRECTORY));
    Life unused;
    ASSIGN_OR_RETURN(const std::string pod, endpoint_->RunPod(round, &unused));
    ASSIGN_OR_RETURN(const std::string container,
                     endpoint_->CreateContainer(pod, round, round, &unused));
    RETURN_IF_ERROR(endpoint_->StartContainer(container, &unused));
    ASSIGN_OR_RETURN(const int64_t nanos,
                     Watch(directory.get(), name, container));
    log_bytes_ = 0;
    RETURN_IF_ERROR(CheckLogs(directory.get(), name, lines_, &log_bytes_));
    RETURN_IF_ERROR(UntilEnded(container));
    RETURN_IF_ERROR(endpoint_->RemoveContainer(container, &unused));
    RETURN_IF_ERROR(endpoint_->StopPod(pod, &unused));
    RETURN_IF_ERROR(endpoint_->RemovePod(pod, &unused));
    RETURN_IF_ERROR(RemoveLogs(directory.get(), name));
    return nanos;
  }

  // From the first byte in the log to the last.
  absl::StatusOr<int64_t> Watch(int dirfd, const std::string& name,
                                const std::string& container) {
    const Stopwatch watch(options_.longest);
    int64_t first = 0;
    int64_t asked = MonotonicNanos();
    int64_t exited = 0;
    while (watch.GoesOn()) {
      ASSIGN_OR_RETURN(const std::string tail, TailOf(dirfd, name));
      const int64_t now = MonotonicNanos();
      if (first == 0 && !tail.empty()) first = now;
      if (IsWhole(tail)) return now - first;
      if (exited != 0 && absl::Nanoseconds(now - exited) > kDrain) {
        return absl::DataLossError(
            "the program has ended and the log lacks the end of its output");
      }
      if (exited == 0 && absl::Nanoseconds(now - asked) > kAsk) {
        asked = now;
        ASSIGN_OR_RETURN(const bool ended, HasEnded(container));
        exited = ended ? now : 0;
      }
      ctl::SleepUnlessInterrupted(kLook);
    }
    return absl::CancelledError(ctl::Interrupted() ? "interrupted"
                                                   : "out of time for the log");
  }

  absl::StatusOr<bool> HasEnded(const std::string& container) {
    v1::ContainerStatusRequest request;
    request.set_container_id(container);
    ASSIGN_OR_RETURN(const v1::ContainerStatusResponse answer,
                     endpoint_->client().Call(request));
    if (answer.status().state() != v1::CONTAINER_EXITED) return false;
    if (answer.status().exit_code() == 0) return true;
    return absl::FailedPreconditionError(absl::StrCat(
        "what writes the lines ended with ", answer.status().exit_code(),
        ": the image must have sh, seq and cat"));
  }

  // containerd 1.6 fails to stop a pod whose container is just ending.
  absl::Status UntilEnded(const std::string& container) {
    const Stopwatch watch(kDrain);
    while (watch.GoesOn()) {
      ASSIGN_OR_RETURN(const bool ended, HasEnded(container));
      if (ended) return absl::OkStatus();
      ctl::SleepUnlessInterrupted(kLook);
    }
    return absl::CancelledError(
        ctl::Interrupted() ? "interrupted" : "the program does not end");
  }

  static absl::Status RemoveLogs(int dirfd, const std::string& name) {
    ASSIGN_OR_RETURN(const auto entries, sys::ListDirAt(dirfd, "."));
    for (const sys::DirEntry& entry : entries) {
      if (!absl::StartsWith(entry.name, name)) continue;
      RETURN_IF_ERROR(sys::UnlinkAt(dirfd, entry.name));
    }
    return absl::OkStatus();
  }

  const ModeOptions& options_;
  const NumberedLines lines_;
  NamedServer server_;
  const RunMark& mark_;
  std::unique_ptr<Endpoint> endpoint_;
  int64_t log_bytes_ = 0;  // of the last round
};

// Whole cycles; a run of less than one is one.
NumberedLines LinesFor(int64_t wanted) {
  NumberedLines lines;
  lines.cycle = std::min(lines.cycle, wanted);
  lines.cycles = wanted / lines.cycle;
  return lines;
}

}  // namespace

absl::StatusOr<Report> Logs(const ModeOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<RunMark> mark,
                   RunMark::Make(options.scratch));
  const NumberedLines lines = LinesFor(options.lines);
  Report report("logs");
  report.SetFact("image", options.endpoint.image);
  report.SetFact("lines", absl::StrCat(lines.total(), " of ", lines.bytes,
                                       " bytes, none lost, torn or doubled"));
  std::vector<LogLane*> servers;
  Lanes lanes;
  for (const NamedServer& server : ServersOf(options)) {
    auto lane = std::make_unique<LogLane>(options, lines, server, *mark);
    RETURN_IF_ERROR(lane->Connect(&report));
    servers.push_back(lane.get());
    lanes.push_back(std::move(lane));
  }
  const Rounds rounds = {
      .count = options.count, .longest = options.longest, .warm_up = 0};
  ASSIGN_OR_RETURN(int done, TakeTurns(lanes, rounds, &report));
  report.SetFact("count", absl::StrCat(done));
  for (const LogLane* lane : servers) lane->AddRates(&report);
  return report;
}

}  // namespace gantry::bench
