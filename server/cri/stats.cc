// Statistics.

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

using ::runtime::v1::ContainerStatsResponse;
using ::runtime::v1::ListContainerStatsResponse;
using ::runtime::v1::StreamContainerStatsResponse;

work::Task<absl::StatusOr<ContainerStatsResponse>> StatsOf(
    Services& services, const runtime::v1::ContainerStatsRequest* request) {
  co_await services.node.executor.Schedule();
  CO_ASSIGN_OR_RETURN(core::ContainerPtr container,
                      services.containers.Get(request->container_id()));
  CO_ASSIGN_OR_RETURN(
      core::ContainerStats stats,
      co_await services.stats.Of(std::move(container), cgroup::Scope::kUsage));
  ContainerStatsResponse response;
  *response.mutable_stats() =
      ContainerStatsToCri(stats, services.node.paths.ContainerRecords());
  co_return response;
}

work::Task<std::optional<runtime::v1::ContainerStats>> Measured(
    Services& services, core::ContainerPtr container) {
  const std::string id = container->id();
  absl::StatusOr<core::ContainerStats> stats =
      co_await services.stats.Of(std::move(container), cgroup::Scope::kUsage);
  if (stats.ok()) {
    co_return ContainerStatsToCri(*stats,
                                  services.node.paths.ContainerRecords());
  }
  LOG_IF(WARNING, !absl::IsNotFound(stats.status()))
      << "measure container " << id << ": " << stats.status();
  co_return std::nullopt;
}

std::vector<core::ContainerPtr> Matching(
    const Services& services, const runtime::v1::ContainerStatsFilter& filter) {
  std::vector<core::ContainerPtr> containers = services.containers.List();
  std::erase_if(containers, [&filter](const core::ContainerPtr& container) {
    return !Matches(*container, filter);
  });
  return containers;
}

work::Task<absl::StatusOr<ListContainerStatsResponse>> ListStats(
    Services& services, std::vector<core::ContainerPtr> containers) {
  std::vector<runtime::v1::ContainerStats> measured =
      co_await MeasureAll<runtime::v1::ContainerStats, core::ContainerPtr>(
          services, Measured, std::move(containers));
  ListContainerStatsResponse response;
  for (runtime::v1::ContainerStats& stats : measured) {
    *response.add_stats() = std::move(stats);
  }
  co_return response;
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeRpcs::ContainerStats(
    grpc::CallbackServerContext* context,
    const runtime::v1::ContainerStatsRequest* request,
    runtime::v1::ContainerStatsResponse* response) {
  return AnswerLater(services_.node.tasks, context,
                     {"ContainerStats", request->container_id()},
                     StatsOf(services_, request), response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::ListContainerStats(
    grpc::CallbackServerContext* context,
    const runtime::v1::ListContainerStatsRequest* request,
    runtime::v1::ListContainerStatsResponse* response) {
  return AnswerLater(
      services_.node.tasks, context, {"ListContainerStats", ""},
      ListStats(services_, Matching(services_, request->filter())), response);
}

grpc::ServerWriteReactor<StreamContainerStatsResponse>*
RuntimeRpcs::StreamContainerStats(
    grpc::CallbackServerContext* /*context*/,
    const runtime::v1::StreamContainerStatsRequest* request) {
  using Stats = runtime::v1::ContainerStats;
  using Source = MeasuredItems<Stats, core::ContainerPtr>;
  return new ItemStream<StreamContainerStatsResponse, Stats>(
      services_.node.tasks, {"StreamContainerStats", ""},
      std::make_unique<Source>(services_, Measured,
                               Matching(services_, request->filter())),
      &StreamContainerStatsResponse::mutable_container_stats);
}

}  // namespace gantry::cri
