// Statistics.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "server/cri/call.h"
#include "server/cri/filters.h"
#include "server/cri/runtime_rpcs.h"
#include "server/cri/translate_stats.h"
#include "server/work/when_all.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::ContainerStatsResponse;
using ::runtime::v1::ListContainerStatsResponse;

work::Task<absl::StatusOr<ContainerStatsResponse>> StatsOf(
    Services& services, const runtime::v1::ContainerStatsRequest* request) {
  CO_ASSIGN_OR_RETURN(core::ContainerPtr container,
                      services.containers.Get(request->container_id()));
  CO_ASSIGN_OR_RETURN(core::ContainerStats stats,
                      co_await services.stats.Of(std::move(container)));
  ContainerStatsResponse response;
  *response.mutable_stats() =
      ContainerStatsToCri(stats, services.node.paths.ContainerRecords());
  co_return response;
}

// One container of a list; `measured` outlives the task. One that cannot be
// measured is left out: it may be gone by now.
work::Task<void> Measure(Services& services, core::ContainerPtr container,
                         std::optional<runtime::v1::ContainerStats>* measured) {
  absl::StatusOr<core::ContainerStats> stats =
      co_await services.stats.Of(container);
  if (stats.ok()) {
    *measured =
        ContainerStatsToCri(*stats, services.node.paths.ContainerRecords());
  } else {
    LOG_IF(WARNING, !absl::IsNotFound(stats.status()))
        << "ListContainerStats: container " << container->id() << ": "
        << stats.status();
  }
}

work::Task<absl::StatusOr<ListContainerStatsResponse>> ListStats(
    Services& services, const runtime::v1::ListContainerStatsRequest* request) {
  std::vector<core::ContainerPtr> containers = services.containers.List();
  std::erase_if(containers, [request](const core::ContainerPtr& container) {
    return !Matches(*container, request->filter());
  });
  std::vector<std::optional<runtime::v1::ContainerStats>> measured(
      containers.size());
  std::vector<work::Task<void>> tasks;
  for (size_t i = 0; i < containers.size(); ++i) {
    tasks.push_back(Measure(services, containers[i], &measured[i]));
  }
  co_await work::WhenAll(services.node.executor, std::move(tasks));
  ListContainerStatsResponse response;
  for (std::optional<runtime::v1::ContainerStats>& stats : measured) {
    if (stats.has_value()) *response.add_stats() = *std::move(stats);
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
  return AnswerLater(services_.node.tasks, context, {"ListContainerStats", ""},
                     ListStats(services_, request), response);
}

}  // namespace gantry::cri
