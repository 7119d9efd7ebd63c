#include <memory>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/floor_child.h"
#include "tools/bench/held_pods.h"
#include "tools/bench/mode.h"
#include "tools/bench/restart.h"
#include "tools/bench/stopwatch.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {
namespace {

namespace v1 = ctl::v1;

constexpr absl::Duration kLook = absl::Milliseconds(1);

// How many of the containers the server says are running.
absl::StatusOr<size_t> CountRunning(HeldPods& held) {
  v1::ListContainersRequest request;
  request.mutable_filter()->mutable_state()->set_state(v1::CONTAINER_RUNNING);
  const auto [key, value] = held.endpoint().Label();
  (*request.mutable_filter()->mutable_label_selector())[key] = value;
  ASSIGN_OR_RETURN(const v1::ListContainersResponse answer,
                   held.endpoint().client().Call(request));
  std::set<std::string> running;
  for (const v1::Container& container : answer.containers()) {
    running.insert(container.id());
  }
  size_t count = 0;
  for (const HeldPod& pod : held.pods()) count += running.count(pod.container);
  return count;
}

absl::Status UntilAllRun(const Stopwatch& watch, HeldPods& held) {
  size_t running = 0;
  while (watch.GoesOn()) {
    ASSIGN_OR_RETURN(running, CountRunning(held));
    if (running == held.pods().size()) return absl::OkStatus();
    ctl::SleepUnlessInterrupted(kLook);
  }
  if (ctl::Interrupted()) return absl::CancelledError("interrupted");
  return absl::DataLossError(absl::StrCat("the new server tells of ", running,
                                          " running containers of ",
                                          held.pods().size()));
}

absl::Status RestartOnce(const ModeOptions& options, HeldPods& held,
                         Report* report) {
  const Stopwatch watch(options.longest);
  ASSIGN_OR_RETURN(
      Restart restart,
      Restart::Begin(held.server().endpoint.socket, options.restart));
  RETURN_IF_ERROR(restart.UntilAnswered(options.longest));
  report->Row("restart until Version answers")
      .Add(MonotonicNanos() - restart.begun());
  RETURN_IF_ERROR(held.Reconnect());
  RETURN_IF_ERROR(UntilAllRun(watch, held));
  report->Row("restart until all are RUNNING")
      .Add(MonotonicNanos() - restart.begun());
  // Listed is not all: one that can be used is adopted.
  Life unused;
  RETURN_IF_ERROR(
      held.endpoint().ExecTrue(held.pods().back().container, &unused));
  return absl::OkStatus();
}

absl::Status Measure(const ModeOptions& options, HeldPods& held,
                     Report* report) {
  Report unused("recover");
  RETURN_IF_ERROR(held.Start(options.count, options.longest, &unused).status());
  ASSIGN_OR_RETURN(const size_t running, CountRunning(held));
  if (running != held.pods().size()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "only ", running, " of ", held.pods().size(), " containers run"));
  }
  for (int i = 0; i < options.restarts; ++i) {
    RETURN_IF_ERROR(RestartOnce(options, held, report));
  }
  RETURN_IF_ERROR(held.Stop(options.longest, &unused).status());
  return held.Remove(options.longest, &unused).status();
}

}  // namespace

absl::StatusOr<Report> Recover(const ModeOptions& options) {
  ASSIGN_OR_RETURN(const NamedServer server, OnlyServerOf(options, "recover"));
  ASSIGN_OR_RETURN(std::unique_ptr<RunMark> mark,
                   RunMark::Make(options.scratch));
  Report report("recover");
  report.SetFact("containers", absl::StrCat(options.count));
  report.SetFact("restart", options.restart);
  RETURN_IF_ERROR(WithHeldPods(
      options, *mark, {server}, &report,
      [&](HeldPods& held) { return Measure(options, held, &report); }));
  return report;
}

}  // namespace gantry::bench
