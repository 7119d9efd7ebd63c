#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/floor_child.h"
#include "tools/bench/held_pods.h"
#include "tools/bench/mode.h"
#include "tools/bench/server_view.h"
#include "tools/bench/stopwatch.h"

namespace gantry::bench {
namespace {

namespace v1 = ctl::v1;

// How often each list is asked for.
constexpr int kQuestions = 100;

// Asks, and adds what it took. An answer with fewer than `least` items is an
// error: a fast answer that lacks something is no result.
template <typename Request, typename Size>
absl::Status Ask(HeldPods& held, const char* name, const Request& request,
                 size_t least, const Size& size_of, Report* report) {
  const int64_t start = MonotonicNanos();
  const auto answer = held.endpoint().client().Call(request);
  const int64_t nanos = MonotonicNanos() - start;
  RETURN_IF_ERROR(answer) << name;
  const size_t size = static_cast<size_t>(size_of(*answer));
  if (size < least) {
    return absl::DataLossError(
        absl::StrCat(name, " told of ", size, " of ", least));
  }
  report->Row(NameOf(held.server(), name)).Add(nanos);
  return absl::OkStatus();
}

// By turns, so that a noisy while hits all of them. As a kubelet asks: for all
// that there is.
absl::Status AskOnce(HeldPods& held, int number, Report* report) {
  const size_t all = held.pods().size();
  RETURN_IF_ERROR(Ask(
      held, "ListPodSandbox", v1::ListPodSandboxRequest(), all,
      [](const auto& answer) { return answer.items_size(); }, report));
  RETURN_IF_ERROR(Ask(
      held, "ListContainers", v1::ListContainersRequest(), all,
      [](const auto& answer) { return answer.containers_size(); }, report));
  RETURN_IF_ERROR(Ask(
      held, "ListContainerStats", v1::ListContainerStatsRequest(), all,
      [](const auto& answer) { return answer.stats_size(); }, report));
  v1::ContainerStatusRequest status;
  status.set_container_id(held.pods()[number % all].container);
  return Ask(
      held, "ContainerStatus", status, 1,
      [](const auto& answer) {
        return answer.status().state() == v1::CONTAINER_RUNNING ? 1 : 0;
      },
      report);
}

absl::Status Measure(const ModeOptions& options, HeldPods& held,
                     Report* report) {
  const NamedServer& server = held.server();
  const absl::StatusOr<ServerView> view =
      ServerView::Of(server.endpoint.socket);
  if (view.ok()) {
    RETURN_IF_ERROR(view->AddPss(server, "before", report));
  }
  ASSIGN_OR_RETURN(const double start,
                   held.Start(options.count, options.longest, report));
  const Stopwatch watch(options.longest);
  for (int i = 0; i < kQuestions && watch.GoesOn(); ++i) {
    RETURN_IF_ERROR(AskOnce(held, i, report)) << server.title;
  }
  ASSIGN_OR_RETURN(const double exec, held.Exec(options.longest, report));
  const std::string pods = absl::StrCat(options.count, " pods");
  if (view.ok()) {
    RETURN_IF_ERROR(view->AddPss(server, absl::StrCat("with ", pods), report));
  }
  ASSIGN_OR_RETURN(const double stop, held.Stop(options.longest, report));
  ASSIGN_OR_RETURN(const double remove, held.Remove(options.longest, report));
  if (view.ok()) {
    RETURN_IF_ERROR(view->AddPss(server, "after", report));
  }
  report->AddValue(NameOf(server, absl::StrCat("start ", pods)), start, "s");
  report->AddValue(NameOf(server, absl::StrCat("exec in ", pods)), exec, "s");
  report->AddValue(NameOf(server, absl::StrCat("stop ", pods)), stop, "s");
  report->AddValue(NameOf(server, absl::StrCat("remove ", pods)), remove, "s");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Report> List(const ModeOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<RunMark> mark,
                   RunMark::Make(options.scratch));
  Report report("list");
  report.SetFact("pods", absl::StrCat(options.count));
  report.SetFact("at once", absl::StrCat(options.parallel));
  RETURN_IF_ERROR(WithHeldPods(
      options, *mark, ServersOf(options), &report,
      [&](HeldPods& held) { return Measure(options, held, &report); }));
  return report;
}

}  // namespace gantry::bench
