#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/bare_plugins.h"
#include "tools/bench/lanes.h"
#include "tools/bench/life_lane.h"
#include "tools/bench/mode.h"

namespace gantry::bench {
namespace {

// Before each: what the one before left to do (the kernel takes a network
// namespace down in the background, with locks held; gantryd makes the next
// pod's namespaces after 100 ms) is not this one's cost.
constexpr absl::Duration kRest = absl::Milliseconds(400);
constexpr char kBareAdd[] = "plugins, bare: ADD";
constexpr char kBareDel[] = "plugins, bare: DEL";

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
  RETURN_IF_ERROR(AddLifeLanes(ServersOf(options), *mark, &Endpoint::PodLife,
                               &lanes, &report));
  const Rounds rounds = {
      .count = options.count, .longest = options.longest, .rest = kRest};
  ASSIGN_OR_RETURN(int done, TakeTurns(lanes, rounds, &report));
  report.SetFact("count", absl::StrCat(done));
  return report;
}

}  // namespace gantry::bench
