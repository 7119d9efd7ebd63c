#include "tools/bench/held_pods.h"

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/parallel_for.h"
#include "tools/bench/stopwatch.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {

absl::StatusOr<std::unique_ptr<HeldPods>> HeldPods::Connect(NamedServer server,
                                                            const RunMark& mark,
                                                            int at_once) {
  std::unique_ptr<HeldPods> held(
      new HeldPods(std::move(server), mark, at_once));
  RETURN_IF_ERROR(held->Reconnect());
  return held;
}

absl::Status HeldPods::Reconnect() {
  ASSIGN_OR_RETURN(endpoint_, Endpoint::Connect(server_.endpoint, mark_),
                   server_.title);
  return absl::OkStatus();
}

absl::StatusOr<double> HeldPods::ForEach(const Step& step,
                                         absl::Duration longest,
                                         Report* report) {
  const int count = static_cast<int>(pods_.size());
  std::vector<Life> lives(pods_.size());
  const Stopwatch watch(longest);
  const absl::StatusOr<int> done = ParallelFor(
      at_once_, count, [&] { return watch.GoesOn(); },
      [&](int, int index) {
        return Annotate(step(index, &lives[index]),
                        absl::StrCat("pod ", index));
      });
  const double seconds = watch.Seconds();
  RETURN_IF_ERROR(done.status()) << server_.title;
  if (*done < count) {
    return absl::CancelledError(
        absl::StrCat(ctl::Interrupted() ? "interrupted" : "out of time",
                     " after ", *done, " of ", count, " pods"));
  }
  for (const Life& life : lives) {
    for (const auto& [name, nanos] : life.steps) {
      report->Row(NameOf(server_, name)).Add(nanos);
    }
  }
  return seconds;
}

absl::StatusOr<double> HeldPods::Start(int count, absl::Duration longest,
                                       Report* report) {
  pods_.assign(static_cast<size_t>(count), HeldPod());
  const auto start = [this](int index, Life* life) -> absl::Status {
    HeldPod& held = pods_[index];
    ASSIGN_OR_RETURN(held.pod, endpoint_->RunPod(index, life));
    ASSIGN_OR_RETURN(held.container,
                     endpoint_->CreateContainer(held.pod, index, index, life));
    return endpoint_->StartContainer(held.container, life);
  };
  return ForEach(start, longest, report);
}

absl::StatusOr<double> HeldPods::Exec(absl::Duration longest, Report* report) {
  const auto exec = [this](int index, Life* life) {
    return endpoint_->ExecTrue(pods_[index].container, life);
  };
  return ForEach(exec, longest, report);
}

absl::StatusOr<double> HeldPods::Stop(absl::Duration longest, Report* report) {
  const auto stop = [this](int index, Life* life) -> absl::Status {
    RETURN_IF_ERROR(endpoint_->StopContainer(pods_[index].container, life));
    return endpoint_->StopPod(pods_[index].pod, life);
  };
  return ForEach(stop, longest, report);
}

absl::StatusOr<double> HeldPods::Remove(absl::Duration longest,
                                        Report* report) {
  const auto remove = [this](int index, Life* life) -> absl::Status {
    RETURN_IF_ERROR(endpoint_->RemoveContainer(pods_[index].container, life));
    return endpoint_->RemovePod(pods_[index].pod, life);
  };
  return ForEach(remove, longest, report);
}

absl::Status HeldPods::RemoveAll() {
  return Annotate(endpoint_->RemoveAll(at_once_), server_.title);
}

absl::Status WithHeldPods(
    const ModeOptions& options, const RunMark& mark,
    const std::vector<NamedServer>& servers, Report* report,
    const std::function<absl::Status(HeldPods& held)>& measure) {
  report->SetFact("image", options.endpoint.image);
  for (const NamedServer& server : servers) {
    ASSIGN_OR_RETURN(std::unique_ptr<HeldPods> held,
                     HeldPods::Connect(server, mark, options.parallel));
    SetServerFacts(server, held->endpoint(), report);
    const absl::Status measured = measure(*held);
    absl::Status removed = held->RemoveAll();
    // The server may be another one by now.
    if (!removed.ok() && held->Reconnect().ok()) removed = held->RemoveAll();
    if (!measured.ok() && !removed.ok()) {
      return Annotate(measured, absl::StrCat("not all was removed (",
                                             removed.message(), ")"));
    }
    RETURN_IF_ERROR(measured);
    RETURN_IF_ERROR(removed);
  }
  return absl::OkStatus();
}

}  // namespace gantry::bench
