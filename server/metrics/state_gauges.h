// How many pods and containers there are in each state.
//
// Thread safety: reentrant. Each takes a copy of the index's list.

#ifndef GANTRY_SERVER_METRICS_STATE_GAUGES_H_
#define GANTRY_SERVER_METRICS_STATE_GAUGES_H_

#include "prometheus/metric_family.h"
#include "server/core/index.h"

namespace gantry::metrics {

// Every state has its number, also 0. Those that hold a pod's PID namespace are
// no containers to anybody outside and are not counted.
prometheus::MetricFamily PodGauges(const core::PodIndex& pods);
prometheus::MetricFamily ContainerGauges(
    const core::ContainerIndex& containers);

}  // namespace gantry::metrics

#endif  // GANTRY_SERVER_METRICS_STATE_GAUGES_H_
