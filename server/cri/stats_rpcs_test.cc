// Statistics and metrics of pods that have nothing to measure, over a unix
// socket; what the kernel counts is for test/e2e.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "server/cri/testing/rpc_case.h"

namespace gantry::cri {
namespace {

namespace api = ::runtime::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StatsRpcsTest : public testing::RpcCase {
 protected:
  std::vector<std::string> List(const api::PodSandboxStatsFilter& filter) {
    grpc::ClientContext context;
    api::ListPodSandboxStatsRequest request;
    *request.mutable_filter() = filter;
    api::ListPodSandboxStatsResponse response;
    EXPECT_TRUE(
        runtime_->ListPodSandboxStats(&context, request, &response).ok());
    std::vector<std::string> ids;
    for (const auto& stats : response.stats()) {
      ids.push_back(stats.attributes().id());
    }
    return ids;
  }
};

TEST_F(StatsRpcsTest, OnlyReadyPodsAreListedAndFiltered) {
  PutPod("aa1", record::PodRecord::READY);
  PutPod("aa2", record::PodRecord::NOT_READY);
  PutPod("bb1", record::PodRecord::READY);
  api::PodSandboxStatsFilter filter;
  EXPECT_THAT(List(filter), ElementsAre("aa1", "bb1"));
  filter.set_id("b");
  EXPECT_THAT(List(filter), ElementsAre("bb1"));
  (*filter.mutable_label_selector())["app"] = "db";
  EXPECT_THAT(List(filter), IsEmpty());
}

TEST_F(StatsRpcsTest, APodWithoutACgroupHasNoCounters) {
  PutPod("aa1", record::PodRecord::NOT_READY);
  grpc::ClientContext c1, c2;
  api::PodSandboxStatsRequest request;
  request.set_pod_sandbox_id("aa1");
  api::PodSandboxStatsResponse response;
  ASSERT_TRUE(runtime_->PodSandboxStats(&c1, request, &response).ok());
  EXPECT_EQ(response.stats().attributes().id(), "aa1");
  EXPECT_FALSE(response.stats().linux().has_cpu());
  EXPECT_FALSE(response.stats().linux().has_network());
  request.set_pod_sandbox_id("none");
  EXPECT_EQ(runtime_->PodSandboxStats(&c2, request, &response).error_code(),
            grpc::NOT_FOUND);
}

TEST_F(StatsRpcsTest, StreamsGiveWhatTheListsGive) {
  for (int i = 0; i < 100; ++i) {
    PutPod("p" + std::to_string(i), record::PodRecord::READY);
  }
  grpc::ClientContext c1, c2;
  auto stats = runtime_->StreamPodSandboxStats(&c1, {});
  api::StreamPodSandboxStatsResponse some_stats;
  std::vector<std::string> ids;
  while (stats->Read(&some_stats)) {
    for (const auto& one : some_stats.pod_sandbox_stats()) {
      ids.push_back(one.attributes().id());
    }
  }
  EXPECT_TRUE(stats->Finish().ok());
  EXPECT_EQ(ids.size(), 100);
  EXPECT_EQ(ids, List({}));

  auto metrics = runtime_->StreamPodSandboxMetrics(&c2, {});
  api::StreamPodSandboxMetricsResponse some_metrics;
  std::vector<std::string> metric_ids;
  while (metrics->Read(&some_metrics)) {
    for (const auto& one : some_metrics.pod_sandbox_metrics()) {
      metric_ids.push_back(one.pod_sandbox_id());
    }
  }
  EXPECT_TRUE(metrics->Finish().ok());
  EXPECT_EQ(metric_ids, ids);
}

TEST_F(StatsRpcsTest, MetricsAreDescribedAndListedPerPod) {
  PutPod("aa1", record::PodRecord::READY);
  PutPod("aa2", record::PodRecord::NOT_READY);
  grpc::ClientContext c1, c2;
  api::ListMetricDescriptorsResponse descriptors;
  ASSERT_TRUE(runtime_->ListMetricDescriptors(&c1, {}, &descriptors).ok());
  EXPECT_GT(descriptors.descriptors_size(), 50);
  api::ListPodSandboxMetricsResponse metrics;
  ASSERT_TRUE(runtime_->ListPodSandboxMetrics(&c2, {}, &metrics).ok());
  ASSERT_EQ(metrics.pod_metrics_size(), 1);
  EXPECT_EQ(metrics.pod_metrics(0).pod_sandbox_id(), "aa1");
}

}  // namespace
}  // namespace gantry::cri
