#include "server/metrics/state_gauges.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "prometheus/metric_type.h"
#include "proto/record.pb.h"

namespace gantry::metrics {
namespace {

using record::ContainerRecord;
using record::PodRecord;

prometheus::MetricFamily Gauges(const char* name, const char* help,
                                const std::map<std::string, int>& counts) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Gauge;
  for (const auto& [state, count] : counts) {
    prometheus::ClientMetric metric;
    metric.label.push_back({"state", absl::AsciiStrToLower(state)});
    metric.gauge.value = count;
    family.metric.push_back(std::move(metric));
  }
  return family;
}

}  // namespace

prometheus::MetricFamily PodGauges(const core::PodIndex& pods) {
  std::map<std::string, int> counts;
  for (int state = PodRecord::UNKNOWN + 1; state < PodRecord::State_ARRAYSIZE;
       ++state) {
    counts[PodRecord::State_Name(state)] = 0;
  }
  for (const core::PodPtr& pod : pods.List()) {
    ++counts[PodRecord::State_Name(pod->state())];
  }
  return Gauges("gantry_pods", "Pods by state.", counts);
}

prometheus::MetricFamily ContainerGauges(
    const core::ContainerIndex& containers) {
  std::map<std::string, int> counts;
  for (int state = ContainerRecord::UNKNOWN + 1;
       state < ContainerRecord::State_ARRAYSIZE; ++state) {
    counts[ContainerRecord::State_Name(state)] = 0;
  }
  for (const core::ContainerPtr& container : containers.List()) {
    if (container->spec().pause()) continue;
    ++counts[ContainerRecord::State_Name(container->state())];
  }
  return Gauges("gantry_containers", "Containers by state.", counts);
}

}  // namespace gantry::metrics
