#include "shim/process/setup_watch.h"

#include <sys/epoll.h>

#include <optional>

#include "absl/status/statusor.h"
#include "runtime/base/status.h"
#include "shim/init/sync.h"

namespace gantry::shim {

absl::Status SetupWatch::Begin() {
  RETURN_IF_ERROR(loop_.Add(sync_.get(), EPOLLIN, [this](uint32_t) { Poll(); }))
      << "watch a child's set-up";
  return absl::OkStatus();
}

void SetupWatch::Poll() {
  while (sync_.valid()) {
    absl::StatusOr<std::optional<init::Report>> read =
        init::ReadReport(sync_.get());
    if (!read.ok()) return Finish(read.status());
    if (!read->has_value()) return;
    init::Report& report = **read;
    switch (report.kind) {
      case init::Report::Kind::kConsole:
        result_.console = std::move(report.console);
        break;
      case init::Report::Kind::kReady:
        is_ready_ = true;
        result_.ready = std::move(report.ready);
        break;
      case init::Report::Kind::kFailed:
        return Finish(report.failure);
      case init::Report::Kind::kClosed:
        return Finish(is_ready_ ? absl::OkStatus()
                                : absl::AbortedError(
                                      "the process died during its set-up"));
    }
  }
}

void SetupWatch::Finish(absl::Status status) {
  Stop();
  result_.status = std::move(status);
  // The watch may be gone when `done` returns.
  std::function<void(SetupResult)> done = std::move(done_);
  SetupResult result = std::move(result_);
  done(std::move(result));
}

void SetupWatch::Stop() {
  if (!sync_.valid()) return;
  loop_.Remove(sync_.get());
  sync_.Reset();
}

}  // namespace gantry::shim
