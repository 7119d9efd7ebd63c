#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/bare_plugins.h"
#include "tools/bench/mode.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {
namespace {

// Not counted: caches of kernel and servers are cold in the first ones.
constexpr int kWarmUp = 3;
// Before each: what the one before left to do (the kernel takes a network
// namespace down in the background, with locks held; gantryd makes the next
// pod's namespaces after 100 ms) is not this one's cost.
constexpr absl::Duration kRest = absl::Milliseconds(400);
constexpr char kBareAdd[] = "plugins, bare: ADD";
constexpr char kBareDel[] = "plugins, bare: DEL";

// What takes its turn in each round.
class Lane {
 public:
  virtual ~Lane() = default;
  // Before the rest, so that all begin on an idle machine.
  virtual absl::Status Prepare() { return absl::OkStatus(); }
  // `report`: null in a round that is not counted.
  virtual absl::Status Take(int round, Report* report) = 0;
  virtual absl::Status RemoveAll() { return absl::OkStatus(); }
};

class ServerLane : public Lane {
 public:
  ServerLane(std::string title, std::unique_ptr<Endpoint> endpoint)
      : title_(std::move(title)), endpoint_(std::move(endpoint)) {}

  absl::Status Take(int round, Report* report) override {
    ASSIGN_OR_RETURN(Life life, endpoint_->PodLife(round), title_);
    if (report == nullptr) return absl::OkStatus();
    for (const auto& [name, nanos] : life.steps) {
      report->Row(absl::StrCat(title_, ": ", name)).Add(nanos);
    }
    return absl::OkStatus();
  }
  absl::Status RemoveAll() override {
    return Annotate(endpoint_->RemoveAll(), title_);
  }

 private:
  const std::string title_;
  const std::unique_ptr<Endpoint> endpoint_;
};

class BareLane : public Lane {
 public:
  explicit BareLane(std::unique_ptr<BarePlugins> plugins)
      : plugins_(std::move(plugins)) {}

  absl::Status Prepare() override { return plugins_->Prepare(); }
  absl::Status Take(int /*round*/, Report* report) override {
    ASSIGN_OR_RETURN(PluginCosts costs, plugins_->Measure());
    if (report == nullptr) return absl::OkStatus();
    report->Row(kBareAdd).Add(costs.add);
    report->Row(kBareDel).Add(costs.del);
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<BarePlugins> plugins_;
};

using Lanes = std::vector<std::unique_ptr<Lane>>;

// In turn, so that a noisy machine hits all alike.
absl::StatusOr<int> Measure(const ModeOptions& options, const Lanes& lanes,
                            Report* report) {
  const Stopwatch watch(options.longest);
  const int warm_up = std::min(kWarmUp, options.count - 1);
  int done = 0;
  for (int round = 0; done < options.count && watch.GoesOn(); ++round) {
    const bool counted = round >= warm_up;
    for (const std::unique_ptr<Lane>& lane : lanes) {
      RETURN_IF_ERROR(lane->Prepare());
      if (ctl::SleepUnlessInterrupted(kRest)) break;
      RETURN_IF_ERROR(lane->Take(round, counted ? report : nullptr));
    }
    done += counted ? 1 : 0;
  }
  if (done == 0 || ctl::Interrupted()) {
    return absl::CancelledError("interrupted");
  }
  return done;
}

}  // namespace

absl::StatusOr<Report> Networks(const ModeOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<RunMark> mark,
                   RunMark::Make(options.scratch));
  Report report("networks");
  report.SetFact("image", options.endpoint.image);
  Lanes lanes;
  if (!options.cni_config.empty()) {
    ASSIGN_OR_RETURN(
        std::unique_ptr<BarePlugins> plugins,
        BarePlugins::Make(options.cni_config, options.cni_plugins));
    report.SetFact("plugins, bare", plugins->Description());
    report.SetFloor(kBareAdd);
    lanes.push_back(std::make_unique<BareLane>(std::move(plugins)));
  }
  for (const NetworkServer& server : options.network_servers) {
    ASSIGN_OR_RETURN(std::unique_ptr<Endpoint> endpoint,
                     Endpoint::Connect(server.endpoint, *mark), server.title);
    report.SetFact(server.title,
                   absl::StrCat(endpoint->server(), ", pods on the ",
                                server.endpoint.host_network ? "host's" : "pod",
                                " network"));
    lanes.push_back(
        std::make_unique<ServerLane>(server.title, std::move(endpoint)));
  }
  const absl::StatusOr<int> done = Measure(options, lanes, &report);
  absl::Status removed;
  for (const std::unique_ptr<Lane>& lane : lanes) {
    removed.Update(lane->RemoveAll());
  }
  RETURN_IF_ERROR(done.status());
  RETURN_IF_ERROR(removed);
  report.SetFact("count", absl::StrCat(*done));
  return report;
}

}  // namespace gantry::bench
