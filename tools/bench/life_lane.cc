#include "tools/bench/life_lane.h"

#include <memory>
#include <utility>

#include "runtime/base/status.h"

namespace gantry::bench {
namespace {

class LifeLane : public Lane {
 public:
  LifeLane(NamedServer server, std::unique_ptr<Endpoint> endpoint, Live live)
      : server_(std::move(server)),
        endpoint_(std::move(endpoint)),
        live_(live) {}

  absl::Status Take(int round, Report* report) override {
    ASSIGN_OR_RETURN(Life life, ((*endpoint_).*live_)(round), server_.title);
    if (report == nullptr) return absl::OkStatus();
    for (const auto& [name, nanos] : life.steps) {
      report->Row(NameOf(server_, name)).Add(nanos);
      if (name == "StartContainer") {
        report->Row(NameOf(server_, "pod to running")).Add(life.pod_to_running);
      }
    }
    if (life.pod_to_running > 0) {
      report->Row(NameOf(server_, "whole life")).Add(life.whole);
    }
    return absl::OkStatus();
  }
  absl::Status RemoveAll() override {
    return Annotate(endpoint_->RemoveAll(), server_.title);
  }

 private:
  const NamedServer server_;
  const std::unique_ptr<Endpoint> endpoint_;
  const Live live_;
};

}  // namespace

absl::Status AddLifeLanes(const std::vector<NamedServer>& servers,
                          const RunMark& mark, Live live, Lanes* lanes,
                          Report* report) {
  for (const NamedServer& server : servers) {
    ASSIGN_OR_RETURN(std::unique_ptr<Endpoint> endpoint,
                     Endpoint::Connect(server.endpoint, mark), server.title);
    SetServerFacts(server, *endpoint, report);
    lanes->push_back(
        std::make_unique<LifeLane>(server, std::move(endpoint), live));
  }
  return absl::OkStatus();
}

}  // namespace gantry::bench
