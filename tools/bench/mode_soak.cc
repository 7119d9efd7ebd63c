#include <fcntl.h>

#include <algorithm>
#include <cmath>
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
#include "tools/bench/nft_rules.h"
#include "tools/bench/probes.h"
#include "tools/bench/server_view.h"
#include "tools/bench/slope.h"
#include "tools/bench/soak_worker.h"
#include "tools/bench/stopwatch.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {
namespace {

// The soak in rounds: enough of them for a slope, none too short for one.
constexpr double kMostRounds = 40;
constexpr absl::Duration kShortestRound = absl::Seconds(5);
// Pages that an allocator keeps, blocks of a directory that was once larger.
constexpr double kLeastBytes = 256 << 10;
// What the end of a pod leaves to do (the kernel takes namespaces down in the
// background, gantryd makes the next pod's ahead) is done by the first, and a
// thread that is kept for the next burst of work has ended by the second. A
// rest is no longer than the work before it.
constexpr absl::Duration kShortestRest = absl::Seconds(3);
constexpr absl::Duration kLongestRest = absl::Seconds(15);
// Each worker has so many numbers for its pods and containers.
constexpr int kNumbers = 2'000'000;

// What counts, and where it comes from.
struct Watched {
  ServerView view;
  UniqueFd cgroups;
  UniqueFd root;
  UniqueFd netns;
  LeakSources sources;
};

absl::StatusOr<Watched> WatchServer(const ModeOptions& options,
                                    const NamedServer& server) {
  ASSIGN_OR_RETURN(ServerView view, ServerView::Of(server.endpoint.socket));
  Watched watched = {std::move(view), UniqueFd(), UniqueFd(), UniqueFd(),
                     LeakSources()};
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
  ASSIGN_OR_RETURN(
      watched.netns,
      sys::OpenAt(watched.view.procfd(),
                  absl::StrCat(watched.view.pid(), "/ns/net"), O_RDONLY));
  // A kernel may have no nf_tables.
  if (CountNftRules(watched.netns.get()).ok()) {
    watched.sources.netnsfd = watched.netns.get();
  }
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

void Tell(double seconds, double operations, const LeakCounters& counters) {
  std::cerr << absl::StrFormat("%7.0f s  %10.0f  ", seconds, operations)
            << LeakLine(counters) << std::endl;
}

// Of the counters at rest, after so many operations.
struct Rest {
  double operations = 0;
  LeakCounters counters;
};

double Done(const std::vector<SoakWorker>& workers) {
  double done = 0;
  for (const SoakWorker& worker : workers) {
    for (const auto& [name, count] : worker.done()) {
      done += static_cast<double>(count);
    }
  }
  return done;
}

// All workers until `length` is over, and their pods removed.
void WorkOnce(absl::Duration length, std::vector<SoakWorker>* workers) {
  const Stopwatch watch(length);
  std::vector<std::thread> threads;
  for (SoakWorker& worker : *workers) {
    threads.emplace_back([&worker, &watch] {
      // A server that is gone answers fast: that fills no more than this.
      constexpr int64_t kMostFailed = 1000;
      while (watch.GoesOn() && worker.failed() < kMostFailed) worker.Step();
      worker.End();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Rounds of work with a rest behind each, at which the counters are read.
absl::Status Work(const ModeOptions& options, const LeakSources& sources,
                  std::vector<SoakWorker>* workers, std::vector<Rest>* rests) {
  const double rounds =
      std::clamp(std::floor(absl::FDivDuration(options.soak, kShortestRound)),
                 1.0, kMostRounds);
  const absl::Duration round = options.soak / rounds;
  const Stopwatch watch(options.soak);
  for (int i = 0; i < static_cast<int>(rounds); ++i) {
    WorkOnce(round, workers);
    absl::SleepFor(std::clamp(round, kShortestRest, kLongestRest));
    ASSIGN_OR_RETURN(LeakCounters counters, ReadLeakCounters(sources));
    rests->push_back({Done(*workers), std::move(counters)});
    Tell(watch.Seconds(), rests->back().operations, rests->back().counters);
    if (ctl::Interrupted()) break;
  }
  return absl::OkStatus();
}

// How much of a counter is no leak, whatever its slope.
double LeastGrowth(const LeakCounter& counter) {
  return absl::string_view(counter.unit) == "B" ? kLeastBytes : 1;
}

// The first and the last of each counter, and what stayed for each thousand
// operations; one that grows is a failure.
void AddCounters(const std::vector<Rest>& rests, Report* report) {
  bool judged = true;
  for (size_t i = 0; i < rests.front().counters.size(); ++i) {
    const LeakCounter& first = rests.front().counters[i];
    std::vector<Reading> readings;
    for (const Rest& rest : rests) {
      readings.push_back(
          {rest.operations, static_cast<double>(rest.counters[i].count)});
    }
    const std::string name = first.name;
    report->AddValue(absl::StrCat(name, ", before"), readings.front().count,
                     first.unit);
    report->AddValue(absl::StrCat(name, ", after"), readings.back().count,
                     first.unit);
    const Slope slope = SlopeOf(readings, LeastGrowth(first));
    if (slope.verdict == Verdict::kUnknown) {
      judged = false;
      continue;
    }
    report->AddValue(absl::StrCat(name, ", growth"), slope.per_thousand,
                     "per 1,000 operations");
    report->AddValue(absl::StrCat(name, ", noise"), slope.noise,
                     "per 1,000 operations");
    if (slope.verdict == Verdict::kFlat) continue;
    report->AddFailure(absl::StrFormat(
        "%s: grows by %.3g %s per 1,000 operations (noise: %.2g)", name,
        slope.per_thousand, first.unit, slope.noise));
  }
  report->SetFact("growth",
                  judged ? "judged" : "not judged: the soak is short");
}

void AddOperations(const std::vector<SoakWorker>& workers, Report* report) {
  std::map<std::string, int64_t> done;
  int64_t failed = 0;
  for (const SoakWorker& worker : workers) {
    for (const auto& [name, count] : worker.done()) done[name] += count;
    failed += worker.failed();
    for (const std::string& failure : worker.failures()) {
      report->AddFailure(failure);
    }
  }
  for (const auto& [name, count] : done) {
    report->AddValue(name, static_cast<double>(count), "");
  }
  report->AddValue("operations", Done(workers), "");
  report->AddValue("operations that failed", static_cast<double>(failed), "");
}

// A container that runs all the time, for what its shim may leak.
absl::StatusOr<std::string> MakeStaying(Endpoint& endpoint) {
  Life unused;
  ASSIGN_OR_RETURN(const std::string pod, endpoint.RunPod(0, &unused));
  ASSIGN_OR_RETURN(std::string container,
                   endpoint.CreateContainer(pod, 0, 0, &unused));
  RETURN_IF_ERROR(endpoint.StartContainer(container, &unused));
  return container;
}

absl::Status Measure(const ModeOptions& options, const NamedServer& server,
                     const RunMark& mark, Endpoint& endpoint, Report* report) {
  ASSIGN_OR_RETURN(Watched watched, WatchServer(options, server));
  RETURN_IF_ERROR(LearnPrograms(server, mark, &watched));
  ASSIGN_OR_RETURN(const std::string staying, MakeStaying(endpoint));
  std::vector<std::unique_ptr<Endpoint>> endpoints;
  std::vector<SoakWorker> workers;
  for (int i = 0; i < options.parallel; ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<Endpoint> own,
                     Endpoint::Connect(server.endpoint, mark));
    workers.emplace_back(own.get(), options.seed + i, 1 + i * kNumbers,
                         staying);
    endpoints.push_back(std::move(own));
  }
  RETURN_IF_ERROR(Wait(kShortestRest));
  std::vector<Rest> rests(1);
  ASSIGN_OR_RETURN(rests[0].counters, ReadLeakCounters(watched.sources));
  std::cerr << "seed " << options.seed << "\n             operations  "
            << LeakHeading(rests[0].counters) << '\n';
  Tell(0, 0, rests[0].counters);
  const Stopwatch watch(absl::InfiniteDuration());
  RETURN_IF_ERROR(Work(options, watched.sources, &workers, &rests));
  AddOperations(workers, report);
  report->AddValue("operations per second", Done(workers) / watch.Seconds(),
                   "1/s");
  AddCounters(rests, report);
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
  const absl::Status measured =
      Measure(options, server, *mark, *endpoint, &report);
  const absl::Status removed = endpoint->RemoveAll(options.parallel);
  RETURN_IF_ERROR(measured);
  RETURN_IF_ERROR(removed);
  return report;
}

}  // namespace gantry::bench
