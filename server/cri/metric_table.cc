#include "server/cri/metric_table.h"

#include <string>
#include <vector>

#include "glog/logging.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "server/cri/metric_rows.h"

namespace gantry::cri {
namespace {

using runtime::v1::Metric;
using Metrics = google::protobuf::RepeatedPtrField<Metric>;

// Those that all metrics have; the values in this order.
constexpr const char* kCommonLabels[] = {"container", "id",        "image",
                                         "name",      "namespace", "pod"};

std::vector<std::string> CommonValues(const MetricSubject& subject) {
  const record::PodRecord& pod = *subject.pod.pod;
  const std::string& space = pod.metadata().namespace_();
  const std::string& pod_name = pod.metadata().name();
  if (subject.container == nullptr) {
    return {"", pod.id(), "", pod.name(), space, pod_name};
  }
  const record::ContainerRecord& container = *subject.container->container;
  return {container.metadata().name(),
          container.id(),
          container.image_ref(),
          container.name(),
          space,
          pod_name};
}

void AddValues(const std::vector<MetricRow>& rows, const MetricSubject& subject,
               int64_t at, Metrics& metrics) {
  const std::vector<std::string> common = CommonValues(subject);
  for (const MetricRow& row : rows) {
    row.values(subject, [&](std::optional<uint64_t> value,
                            const std::vector<std::string>& labels) {
      CHECK_EQ(labels.size(), row.labels.size()) << row.name;
      if (!value.has_value()) return;
      Metric& metric = *metrics.Add();
      metric.set_name(row.name);
      metric.set_timestamp(at);
      metric.set_metric_type(row.type);
      for (const std::string& label : common) metric.add_label_values(label);
      for (const std::string& label : labels) metric.add_label_values(label);
      metric.mutable_value()->set_value(*value);
    });
  }
}

}  // namespace

runtime::v1::ListMetricDescriptorsResponse MetricDescriptors() {
  runtime::v1::ListMetricDescriptorsResponse response;
  for (const std::vector<MetricRow>* rows :
       {&ComputeRows(), &DiskRows(), &ProcessRows(), &NetworkRows()}) {
    for (const MetricRow& row : *rows) {
      runtime::v1::MetricDescriptor& to = *response.add_descriptors();
      to.set_name(row.name);
      to.set_help(row.help);
      for (const char* label : kCommonLabels) to.add_label_keys(label);
      for (const char* label : row.labels) to.add_label_keys(label);
    }
  }
  return response;
}

runtime::v1::PodSandboxMetrics PodMetricsToCri(
    const core::PodStats& stats, const core::LayersFilesystem& filesystem) {
  runtime::v1::PodSandboxMetrics to;
  to.set_pod_sandbox_id(stats.pod->id());
  AddValues(NetworkRows(), {stats, filesystem}, stats.at,
            *to.mutable_metrics());
  for (const core::ContainerStats& container : stats.containers) {
    if (!container.cgroup.has_value()) continue;
    runtime::v1::ContainerMetrics& metrics = *to.add_container_metrics();
    metrics.set_container_id(container.container->id());
    for (const std::vector<MetricRow>* rows :
         {&ComputeRows(), &DiskRows(), &ProcessRows()}) {
      AddValues(*rows, {stats, filesystem, &container}, container.cgroup->at,
                *metrics.mutable_metrics());
    }
  }
  return to;
}

}  // namespace gantry::cri
