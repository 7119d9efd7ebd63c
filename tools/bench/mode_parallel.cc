#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "runtime/base/status.h"
#include "tools/bench/mode.h"

namespace gantry::bench {
namespace {

// What one thread found out; read after it was joined.
struct Worker {
  std::unique_ptr<Endpoint> endpoint;
  std::thread thread;
  Samples running;
  Samples whole;
  absl::Status status;
};

void Work(const ModeOptions& options, const Stopwatch& watch,
          std::atomic<int>& next, std::atomic<bool>& failed, Worker& worker) {
  while (!failed.load() && watch.GoesOn()) {
    const int number = next.fetch_add(1);
    if (number >= options.count) return;
    const absl::StatusOr<Life> life = worker.endpoint->WholeLife(number);
    if (!life.ok()) {
      worker.status = life.status();
      failed.store(true);
      return;
    }
    worker.running.Add(life->pod_to_running);
    worker.whole.Add(life->whole);
  }
}

absl::StatusOr<Report> Summarize(const ModeOptions& options, double seconds,
                                 const std::vector<Worker>& workers) {
  Report report("parallel");
  for (const Worker& worker : workers) {
    RETURN_IF_ERROR(worker.status);
    report.Row("pod to running").Append(worker.running);
    report.Row("whole life").Append(worker.whole);
  }
  const size_t lives = report.Row("whole life").size();
  if (lives == 0) return absl::CancelledError("interrupted");
  report.SetFact("server", workers[0].endpoint->server());
  report.SetFact("network", options.endpoint.host_network ? "host" : "pod");
  report.SetFact("at once", absl::StrCat(options.parallel));
  report.SetFact("lives", absl::StrCat(lives));
  report.SetFact("seconds", absl::StrFormat("%.3f", seconds));
  report.SetFact("lives per second",
                 absl::StrFormat("%.1f", static_cast<double>(lives) / seconds));
  return report;
}

}  // namespace

absl::StatusOr<Report> Parallel(const ModeOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<RunMark> mark,
                   RunMark::Make(options.scratch));
  std::vector<Worker> workers(static_cast<size_t>(options.parallel));
  for (Worker& worker : workers) {
    ASSIGN_OR_RETURN(worker.endpoint,
                     Endpoint::Connect(options.endpoint, *mark));
  }
  std::atomic<int> next{0};
  std::atomic<bool> failed{false};
  const Stopwatch watch(options.longest);
  for (Worker& worker : workers) {
    worker.thread =
        std::thread([&] { Work(options, watch, next, failed, worker); });
  }
  for (Worker& worker : workers) worker.thread.join();
  const double seconds = watch.Seconds();
  const absl::Status removed = workers[0].endpoint->RemoveAll();
  ASSIGN_OR_RETURN(Report report, Summarize(options, seconds, workers));
  RETURN_IF_ERROR(removed);
  return report;
}

}  // namespace gantry::bench
