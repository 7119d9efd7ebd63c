#include <fcntl.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "tools/bench/leak_counters.h"
#include "tools/bench/mode.h"
#include "tools/bench/probes.h"
#include "tools/bench/server_view.h"
#include "tools/bench/soak_worker.h"
#include "tools/bench/stopwatch.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {
namespace {

constexpr double kTellSeconds = 60;
// What the end of a pod leaves to do (the kernel takes namespaces down in the
// background, gantryd makes the next pod's ahead) is done by then.
constexpr absl::Duration kSettle = absl::Seconds(3);
// Each worker has so many numbers for its pods and containers.
constexpr int kNumbers = 2'000'000;

// What counts, and where it comes from.
struct Watched {
  ServerView view;
  UniqueFd cgroups;
  UniqueFd root;
  LeakSources sources;
};

absl::StatusOr<Watched> WatchServer(const ModeOptions& options,
                                    const NamedServer& server) {
  ASSIGN_OR_RETURN(ServerView view, ServerView::Of(server.endpoint.socket));
  Watched watched = {std::move(view), UniqueFd(), UniqueFd(), LeakSources()};
  ASSIGN_OR_RETURN(watched.cgroups, sys::OpenAt(AT_FDCWD, "/sys/fs/cgroup",
                                                O_RDONLY | O_DIRECTORY));
  if (!options.root.empty()) {
    ASSIGN_OR_RETURN(watched.root, sys::OpenAt(AT_FDCWD, options.root,
                                               O_RDONLY | O_DIRECTORY));
  }
  watched.sources.procfd = watched.view.procfd();
  watched.sources.cgroupfd = watched.cgroups.get();
  watched.sources.rootfd = watched.root.get();
  watched.sources.server = watched.view.pid();
  return watched;
}

// Lets one container run to see which programs the runtime runs for it; they
// are counted from then on. It also warms up what is made once.
absl::Status LearnPrograms(const NamedServer& server, const RunMark& mark,
                           Watched* watched) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Endpoint> endpoint,
                   Endpoint::Connect(server.endpoint, mark));
  ASSIGN_OR_RETURN(const std::vector<Process> before,
                   watched->view.Processes());
  Life unused;
  ASSIGN_OR_RETURN(const std::string pod, endpoint->RunPod(0, &unused));
  ASSIGN_OR_RETURN(const std::string container,
                   endpoint->CreateContainer(pod, 0, 0, &unused));
  RETURN_IF_ERROR(endpoint->StartContainer(container, &unused));
  RETURN_IF_ERROR(endpoint->ExecTrue(container, &unused));
  ASSIGN_OR_RETURN(const std::vector<Process> now, watched->view.Processes());
  for (const Process& process : RuntimeProcesses(
           before, now, watched->view.pid(), server.endpoint.command)) {
    watched->sources.programs.insert(process.program);
  }
  watched->sources.programs.erase(ProgramId());
  return endpoint->RemoveAll();
}

void Tell(double seconds, const LeakCounters& counters) {
  std::cerr << absl::StrFormat("%7.0f s  ", seconds) << LeakLine(counters)
            << std::endl;
}

// Tells the counters each minute until the time is over.
absl::Status TellMeanwhile(const Stopwatch& watch, const LeakSources& sources) {
  double next = kTellSeconds;
  while (watch.GoesOn()) {
    ctl::SleepUnlessInterrupted(absl::Milliseconds(200));
    if (watch.Seconds() < next) continue;
    next += kTellSeconds;
    ASSIGN_OR_RETURN(const LeakCounters counters, ReadLeakCounters(sources));
    Tell(watch.Seconds(), counters);
  }
  return absl::OkStatus();
}

// One per connection; each ends with its pods removed.
absl::Status Work(const ModeOptions& options, const NamedServer& server,
                  const RunMark& mark, const LeakSources& sources,
                  std::vector<SoakWorker>* workers) {
  std::vector<std::unique_ptr<Endpoint>> endpoints;
  for (int i = 0; i < options.parallel; ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<Endpoint> endpoint,
                     Endpoint::Connect(server.endpoint, mark));
    workers->emplace_back(endpoint.get(), options.seed + i, 1 + i * kNumbers);
    endpoints.push_back(std::move(endpoint));
  }
  const Stopwatch watch(options.soak);
  std::vector<std::thread> threads;
  for (SoakWorker& worker : *workers) {
    threads.emplace_back([&worker, &watch] {
      // A server that is gone answers fast: that fills no more than this.
      constexpr int64_t kMostFailed = 1000;
      while (watch.GoesOn() && worker.failed() < kMostFailed) worker.Step();
      worker.End();
    });
  }
  const absl::Status told = TellMeanwhile(watch, sources);
  for (std::thread& thread : threads) thread.join();
  return told;
}

// `before` and `after`, and what stayed for each thousand operations.
void AddCounters(const LeakCounters& before, const LeakCounters& after,
                 double operations, Report* report) {
  for (size_t i = 0; i < before.size() && i < after.size(); ++i) {
    const auto was = static_cast<double>(before[i].count);
    const auto is = static_cast<double>(after[i].count);
    const std::string name = before[i].name;
    report->AddValue(absl::StrCat(name, ", before"), was, before[i].unit);
    report->AddValue(absl::StrCat(name, ", after"), is, before[i].unit);
    report->AddValue(absl::StrCat(name, ", growth"),
                     operations > 0 ? (is - was) * 1000 / operations : 0,
                     "per 1,000 operations");
  }
}

double AddOperations(const std::vector<SoakWorker>& workers, Report* report) {
  std::map<std::string, int64_t> done;
  int64_t operations = 0;
  int64_t failed = 0;
  for (const SoakWorker& worker : workers) {
    for (const auto& [name, count] : worker.done()) {
      done[name] += count;
      operations += count;
    }
    failed += worker.failed();
    for (const std::string& failure : worker.failures()) {
      report->AddFailure(failure);
    }
  }
  for (const auto& [name, count] : done) {
    report->AddValue(name, static_cast<double>(count), "");
  }
  report->AddValue("operations", static_cast<double>(operations), "");
  report->AddValue("operations that failed", static_cast<double>(failed), "");
  return static_cast<double>(operations);
}

absl::Status Measure(const ModeOptions& options, const NamedServer& server,
                     const RunMark& mark, Report* report) {
  ASSIGN_OR_RETURN(Watched watched, WatchServer(options, server));
  RETURN_IF_ERROR(LearnPrograms(server, mark, &watched));
  RETURN_IF_ERROR(Wait(kSettle));
  ASSIGN_OR_RETURN(const LeakCounters before,
                   ReadLeakCounters(watched.sources));
  std::cerr << "seed " << options.seed << "\n           " << LeakHeading(before)
            << '\n';
  Tell(0, before);
  const Stopwatch watch(absl::InfiniteDuration());
  std::vector<SoakWorker> workers;
  // The threads keep references.
  workers.reserve(static_cast<size_t>(options.parallel));
  RETURN_IF_ERROR(Work(options, server, mark, watched.sources, &workers));
  const double operations = AddOperations(workers, report);
  report->AddValue("operations per second", operations / watch.Seconds(),
                   "1/s");
  absl::SleepFor(kSettle);
  ASSIGN_OR_RETURN(const LeakCounters after, ReadLeakCounters(watched.sources));
  Tell(watch.Seconds(), after);
  AddCounters(before, after, operations, report);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Report> Soak(const ModeOptions& options) {
  ASSIGN_OR_RETURN(NamedServer server, OnlyServerOf(options, "soak"));
  ASSIGN_OR_RETURN(std::unique_ptr<RunMark> mark,
                   RunMark::Make(options.scratch));
  server.endpoint.command = mark->UniqueSleep();
  ASSIGN_OR_RETURN(const std::unique_ptr<Endpoint> endpoint,
                   Endpoint::Connect(server.endpoint, *mark));
  Report report("soak");
  SetServerFacts(server, *endpoint, &report);
  report.SetFact("image", server.endpoint.image);
  report.SetFact("seed", absl::StrCat(options.seed));
  report.SetFact("at once", absl::StrCat(options.parallel));
  const absl::Status measured = Measure(options, server, *mark, &report);
  const absl::Status removed = endpoint->RemoveAll(options.parallel);
  RETURN_IF_ERROR(measured);
  RETURN_IF_ERROR(removed);
  return report;
}

}  // namespace gantry::bench
