// The metrics of pods and containers: one table has of each its name, its
// labels, and where its values come from, so that what is described and what is
// told cannot differ.
//
// Names, labels and units are cAdvisor's, for the dashboards that exist; a CRI
// metric is a whole number, so times are whole seconds. What the kernel does
// not count is left out, not 0.
// Pure functions, but that names of block devices are looked up.

#ifndef GANTRY_SERVER_CRI_METRIC_TABLE_H_
#define GANTRY_SERVER_CRI_METRIC_TABLE_H_

#include "proto/cri/v1/api.pb.h"
#include "server/core/stats.h"

namespace gantry::cri {

runtime::v1::ListMetricDescriptorsResponse MetricDescriptors();

// `stats` with Scope::kAll. `filesystem`: what writable layers lie on.
runtime::v1::PodSandboxMetrics PodMetricsToCri(
    const core::PodStats& stats, const core::LayersFilesystem& filesystem);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_METRIC_TABLE_H_
