// What a row of the table of metrics is made of (metric_table.h).

#ifndef GANTRY_SERVER_CRI_METRIC_ROWS_H_
#define GANTRY_SERVER_CRI_METRIC_ROWS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "proto/cri/v1/api.pb.h"
#include "server/core/stats.h"

namespace gantry::cri {

// What is told of: a container that runs, or its pod as a whole.
struct MetricSubject {
  const core::PodStats& pod;
  const core::LayersFilesystem& filesystem;
  // Null: the pod.
  const core::ContainerStats* container = nullptr;

  // Of the container; only where the row is about containers.
  const cgroup::Stats& counters() const { return container->cgroup->counters; }
  const spec::Resources& resources() const {
    return container->container->spec().resources();
  }
};

// Takes a value with those of the row's own labels; nothing if it is unset.
using AddMetric = std::function<void(std::optional<uint64_t> value,
                                     const std::vector<std::string>& labels)>;

struct MetricRow {
  const char* name;
  const char* help;
  runtime::v1::MetricType type;
  // Beyond those that all metrics have.
  std::vector<const char*> labels;
  void (*values)(const MetricSubject& subject, const AddMetric& add);
};

// Those of a container, by subject.
const std::vector<MetricRow>& ComputeRows();  // CPU, memory, pressure
const std::vector<MetricRow>& DiskRows();
const std::vector<MetricRow>& ProcessRows();  // and what was asked for
// Those of a pod.
const std::vector<MetricRow>& NetworkRows();

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_METRIC_ROWS_H_
