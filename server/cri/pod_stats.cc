// Statistics of pods.

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
#include "server/cri/runtime_rpcs.h"
#include "server/cri/translate_stats.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::ListPodSandboxStatsResponse;
using ::runtime::v1::PodSandboxStatsResponse;
using ::runtime::v1::StreamPodSandboxStatsResponse;
using PodStats = ::runtime::v1::PodSandboxStats;

work::Task<absl::StatusOr<PodSandboxStatsResponse>> StatsOf(
    Services& services, const runtime::v1::PodSandboxStatsRequest* request) {
  co_await services.node.executor.Schedule();
  CO_ASSIGN_OR_RETURN(core::PodPtr pod,
                      services.pods.Get(request->pod_sandbox_id()));
  CO_ASSIGN_OR_RETURN(
      core::PodStats stats,
      co_await services.stats.Of(std::move(pod), cgroup::Scope::kUsage));
  PodSandboxStatsResponse response;
  *response.mutable_stats() =
      PodStatsToCri(stats, services.node.paths.ContainerRecords());
  co_return response;
}

work::Task<std::optional<PodStats>> Measured(Services& services,
                                             core::PodPtr pod) {
  const std::string id = pod->id();
  absl::StatusOr<core::PodStats> stats =
      co_await services.stats.Of(std::move(pod), cgroup::Scope::kUsage);
  if (stats.ok()) {
    co_return PodStatsToCri(*stats, services.node.paths.ContainerRecords());
  }
  LOG(WARNING) << "measure pod " << id << ": " << stats.status();
  co_return std::nullopt;
}

std::vector<core::PodPtr> Matching(
    const Services& services,
    const runtime::v1::PodSandboxStatsFilter& filter) {
  std::vector<core::PodPtr> pods = services.pods.List();
  std::erase_if(pods, [&filter](const core::PodPtr& pod) {
    return !Matches(*pod, filter);
  });
  return pods;
}

work::Task<absl::StatusOr<ListPodSandboxStatsResponse>> ListStats(
    Services& services, std::vector<core::PodPtr> pods) {
  std::vector<PodStats> measured = co_await MeasureAll<PodStats, core::PodPtr>(
      services, Measured, std::move(pods));
  ListPodSandboxStatsResponse response;
  for (PodStats& stats : measured) *response.add_stats() = std::move(stats);
  co_return response;
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeRpcs::PodSandboxStats(
    grpc::CallbackServerContext* context,
    const runtime::v1::PodSandboxStatsRequest* request,
    runtime::v1::PodSandboxStatsResponse* response) {
  return AnswerLater(services_.node.tasks, context,
                     {"PodSandboxStats", request->pod_sandbox_id()},
                     StatsOf(services_, request), response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::ListPodSandboxStats(
    grpc::CallbackServerContext* context,
    const runtime::v1::ListPodSandboxStatsRequest* request,
    runtime::v1::ListPodSandboxStatsResponse* response) {
  return AnswerLater(
      services_.node.tasks, context, {"ListPodSandboxStats", ""},
      ListStats(services_, Matching(services_, request->filter())), response);
}

grpc::ServerWriteReactor<StreamPodSandboxStatsResponse>*
RuntimeRpcs::StreamPodSandboxStats(
    grpc::CallbackServerContext* /*context*/,
    const runtime::v1::StreamPodSandboxStatsRequest* request) {
  using Source = MeasuredItems<PodStats, core::PodPtr>;
  return new ItemStream<StreamPodSandboxStatsResponse, PodStats>(
      services_.node.tasks, {"StreamPodSandboxStats", ""},
      std::make_unique<Source>(services_, Measured,
                               Matching(services_, request->filter())),
      &StreamPodSandboxStatsResponse::mutable_pod_sandbox_stats);
}

}  // namespace gantry::cri
