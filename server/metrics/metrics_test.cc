#include "server/metrics/metrics.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/record.pb.h"

namespace gantry::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MetricsTest : public ::testing::Test {
 protected:
  core::PodIndex pods_{"pod"};
  core::ContainerIndex containers_{"container"};
  Metrics metrics_{"1.2", pods_, containers_};
};

TEST_F(MetricsTest, StepsOfOneNameAreOneObservation) {
  core::WatchedCall call;
  call.verb = "StartContainer";
  call.steps = {{"init: set up rootfs", 1000, 125'001'000, -1},
                {"init: set up rootfs", 0, 125'000'000, -1},
                {"make the plan", 0, 20'000, -1}};
  metrics_.OnCallEnded(call);
  metrics_.OnCallEnded(call);
  const std::string text = metrics_.Text();
  const std::string labels =
      "{call=\"StartContainer\",step=\"init: set up rootfs\"";
  EXPECT_THAT(text, HasSubstr("gantry_step_seconds_count" + labels + "} 2\n"));
  EXPECT_THAT(text, HasSubstr("gantry_step_seconds_sum" + labels + "} 0.5\n"));
  EXPECT_THAT(text, HasSubstr("_bucket" + labels + ",le=\"0.2\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("_bucket" + labels + ",le=\"0.5\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("_bucket" + labels + ",le=\"10\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("step=\"make the plan\",le=\"5e-05\"} 2\n"));
}

TEST_F(MetricsTest, CallsAreCountedByMethodAndCode) {
  metrics_.CountCall("StartContainer", absl::StatusCode::kOk,
                     absl::Milliseconds(3));
  metrics_.CountCall("StartContainer", absl::StatusCode::kNotFound,
                     absl::Milliseconds(7));
  metrics_.CountCall("GetContainerEvents", absl::StatusCode::kCancelled,
                     std::nullopt);
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("gantry_calls_total{code=\"NOT_FOUND\","
                              "method=\"StartContainer\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("gantry_call_seconds_count{"
                              "method=\"StartContainer\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("{code=\"CANCELLED\","
                              "method=\"GetContainerEvents\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("seconds_count{method=\"GetContainer")));
}

TEST_F(MetricsTest, StatesAreAsOfNow) {
  EXPECT_THAT(metrics_.Text(), HasSubstr("gantry_pods{state=\"ready\"} 0\n"));
  record::PodRecord pod;
  pod.set_id("p");
  pod.set_name("p");
  pod.set_state(record::PodRecord::READY);
  pods_.Put(pod);
  record::ContainerRecord container;
  container.set_state(record::ContainerRecord::RUNNING);
  for (const char* id : {"a", "b", "pause"}) {
    container.set_id(id);
    container.set_name(id);
    container.mutable_spec()->set_pause(absl::string_view(id) == "pause");
    containers_.Put(container);
  }
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("gantry_pods{state=\"ready\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("gantry_containers{state=\"running\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("gantry_containers{state=\"exited\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("gantry_build_info{version=\"1.2\"} 1\n"));
}

}  // namespace
}  // namespace gantry::metrics
