// Counts the calls of a gRPC server, and how long they took.
//
// What is not there, or streams both ways (reflection), is not counted: the
// names of methods that do not exist are the client's to choose.
//
// Ownership: the interceptors refer to `metrics`, which must outlive the gRPC
// server. Thread safety: as gRPC asks.

#ifndef GANTRY_SERVER_METRICS_CALL_METRICS_H_
#define GANTRY_SERVER_METRICS_CALL_METRICS_H_

#include <memory>

#include "grpcpp/support/server_interceptor.h"
#include "server/metrics/metrics.h"

namespace gantry::metrics {

// For grpc::ServerBuilder::experimental().
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
CallMetrics(Metrics& metrics);

}  // namespace gantry::metrics

#endif  // GANTRY_SERVER_METRICS_CALL_METRICS_H_
