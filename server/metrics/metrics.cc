#include "server/metrics/metrics.h"

#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "server/metrics/state_gauges.h"

namespace gantry::metrics {
namespace {

// Seconds.
const prometheus::Histogram::BucketBoundaries& StepBuckets() {
  static const auto* const bounds = new prometheus::Histogram::BucketBoundaries{
      50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3,
      50e-3, 100e-3, 200e-3, 500e-3, 1,    2,    5,    10};
  return *bounds;
}

// A pull takes minutes.
const prometheus::Histogram::BucketBoundaries& CallBuckets() {
  static const auto* const bounds = new prometheus::Histogram::BucketBoundaries{
      500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3, 200e-3,
      500e-3, 1,    2,    5,    10,    30,    60,    300};
  return *bounds;
}

std::string String(absl::string_view text) { return std::string(text); }

}  // namespace

struct Metrics::Families {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Histogram>& step_seconds =
      prometheus::BuildHistogram()
          .Name("gantry_step_seconds")
          .Help("What a step of a call took.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& calls =
      prometheus::BuildCounter()
          .Name("gantry_calls_total")
          .Help("Calls that were answered.")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& call_seconds =
      prometheus::BuildHistogram()
          .Name("gantry_call_seconds")
          .Help("From a call's arrival to its answer.")
          .Register(registry);
};

Metrics::Metrics(const std::string& version, const core::PodIndex& pods,
                 const core::ContainerIndex& containers)
    : pods_(pods),
      containers_(containers),
      families_(std::make_unique<Families>()) {
  prometheus::BuildGauge()
      .Name("gantry_build_info")
      .Help("1; the version is its label.")
      .Register(families_->registry)
      .Add({{"version", version}})
      .Set(1);
}

Metrics::~Metrics() = default;

void Metrics::OnCallEnded(const core::WatchedCall& call) {
  std::map<std::string, int64_t> nanos;
  for (const core::Step& step : call.steps) {
    nanos[step.name] += step.ended_at - step.begun_at;
  }
  for (const auto& [name, time] : nanos) {
    families_->step_seconds
        .Add({{"call", call.verb}, {"step", name}}, StepBuckets())
        .Observe(static_cast<double>(time) / 1e9);
  }
}

void Metrics::CountCall(absl::string_view method, absl::StatusCode code,
                        std::optional<absl::Duration> time) {
  families_->calls
      .Add({{"method", String(method)},
            {"code", absl::StatusCodeToString(code)}})
      .Increment();
  if (!time.has_value()) return;
  families_->call_seconds.Add({{"method", String(method)}}, CallBuckets())
      .Observe(absl::ToDoubleSeconds(*time));
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families =
      families_->registry.Collect();
  families.push_back(PodGauges(pods_));
  families.push_back(ContainerGauges(containers_));
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return std::move(text).str();
}

}  // namespace gantry::metrics
