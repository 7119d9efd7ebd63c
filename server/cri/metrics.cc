// Metrics of pods and their containers.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "server/cri/call.h"
#include "server/cri/filters.h"
#include "server/cri/item_stream.h"
#include "server/cri/measure.h"
#include "server/cri/metric_table.h"
#include "server/cri/runtime_rpcs.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::ListPodSandboxMetricsResponse;
using ::runtime::v1::PodSandboxMetrics;
using ::runtime::v1::StreamPodSandboxMetricsResponse;

work::Task<absl::StatusOr<PodSandboxMetrics>> MetricsOf(Services& services,
                                                        core::PodPtr pod) {
  // It looks at every descriptor of every process.
  co_await services.node.blocking_executor.Schedule();
  CO_ASSIGN_OR_RETURN(core::LayersFilesystem filesystem,
                      services.stats.Filesystem());
  CO_ASSIGN_OR_RETURN(
      core::PodStats stats,
      co_await services.stats.Of(std::move(pod), cgroup::Scope::kAll));
  co_return PodMetricsToCri(stats, filesystem);
}

work::Task<std::optional<PodSandboxMetrics>> Measured(Services& services,
                                                      core::PodPtr pod) {
  const std::string id = pod->id();
  absl::StatusOr<PodSandboxMetrics> metrics =
      co_await MetricsOf(services, std::move(pod));
  if (metrics.ok()) co_return *std::move(metrics);
  LOG(WARNING) << "measure pod " << id << ": " << metrics.status();
  co_return std::nullopt;
}

std::vector<core::PodPtr> Ready(const Services& services) {
  std::vector<core::PodPtr> pods = services.pods.List();
  std::erase_if(pods, [](const core::PodPtr& pod) {
    return pod->state() != record::PodRecord::READY;
  });
  return pods;
}

work::Task<absl::StatusOr<ListPodSandboxMetricsResponse>> ListMetrics(
    Services& services, std::vector<core::PodPtr> pods) {
  std::vector<PodSandboxMetrics> measured =
      co_await MeasureAll<PodSandboxMetrics, core::PodPtr>(services, Measured,
                                                           std::move(pods));
  ListPodSandboxMetricsResponse response;
  for (PodSandboxMetrics& metrics : measured) {
    *response.add_pod_metrics() = std::move(metrics);
  }
  co_return response;
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeRpcs::ListMetricDescriptors(
    grpc::CallbackServerContext* context,
    const runtime::v1::ListMetricDescriptorsRequest* /*request*/,
    runtime::v1::ListMetricDescriptorsResponse* response) {
  return AnswerNow<runtime::v1::ListMetricDescriptorsResponse>(
      context, {"ListMetricDescriptors", ""}, MetricDescriptors(), response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::ListPodSandboxMetrics(
    grpc::CallbackServerContext* context,
    const runtime::v1::ListPodSandboxMetricsRequest* /*request*/,
    runtime::v1::ListPodSandboxMetricsResponse* response) {
  return AnswerLater(services_.node.tasks, context,
                     {"ListPodSandboxMetrics", ""},
                     ListMetrics(services_, Ready(services_)), response);
}

grpc::ServerWriteReactor<StreamPodSandboxMetricsResponse>*
RuntimeRpcs::StreamPodSandboxMetrics(
    grpc::CallbackServerContext* /*context*/,
    const runtime::v1::StreamPodSandboxMetricsRequest* /*request*/) {
  using Source = MeasuredItems<PodSandboxMetrics, core::PodPtr>;
  return new ItemStream<StreamPodSandboxMetricsResponse, PodSandboxMetrics>(
      services_.node.tasks, {"StreamPodSandboxMetrics", ""},
      std::make_unique<Source>(services_, Measured, Ready(services_)),
      &StreamPodSandboxMetricsResponse::mutable_pod_sandbox_metrics);
}

}  // namespace gantry::cri
