#include "server/cri/filters.h"

#include "gtest/gtest.h"

namespace gantry::cri {
namespace {

record::PodRecord Pod() {
  record::PodRecord pod;
  pod.set_id("abcdef");
  pod.set_state(record::PodRecord::READY);
  (*pod.mutable_labels())["app"] = "web";
  (*pod.mutable_labels())["tier"] = "front";
  return pod;
}

record::ContainerRecord Container() {
  record::ContainerRecord container;
  container.set_id("c0ffee");
  container.set_pod_id("abcdef");
  container.set_state(record::ContainerRecord::RUNNING);
  (*container.mutable_labels())["app"] = "web";
  return container;
}

TEST(PodFilter, EmptyMatchesAllButWhatIsBeingMade) {
  EXPECT_TRUE(Matches(Pod(), runtime::v1::PodSandboxFilter()));
  record::PodRecord pod = Pod();
  pod.set_state(record::PodRecord::CREATING);
  EXPECT_FALSE(Matches(pod, runtime::v1::PodSandboxFilter()));
}

TEST(PodFilter, AllConditionsHold) {
  runtime::v1::PodSandboxFilter filter;
  filter.set_id("abc");
  filter.mutable_state()->set_state(runtime::v1::SANDBOX_READY);
  (*filter.mutable_label_selector())["app"] = "web";
  EXPECT_TRUE(Matches(Pod(), filter));
  filter.set_id("bcd");
  EXPECT_FALSE(Matches(Pod(), filter));
  filter.set_id("abcdef");
  filter.mutable_state()->set_state(runtime::v1::SANDBOX_NOTREADY);
  EXPECT_FALSE(Matches(Pod(), filter));
  filter.clear_state();
  (*filter.mutable_label_selector())["tier"] = "back";
  EXPECT_FALSE(Matches(Pod(), filter));
}

TEST(ContainerFilter, AllConditionsHold) {
  runtime::v1::ContainerFilter filter;
  filter.set_id("c0");
  filter.set_pod_sandbox_id("abc");
  filter.mutable_state()->set_state(runtime::v1::CONTAINER_RUNNING);
  (*filter.mutable_label_selector())["app"] = "web";
  EXPECT_TRUE(Matches(Container(), filter));
  filter.set_pod_sandbox_id("x");
  EXPECT_FALSE(Matches(Container(), filter));
  filter.clear_pod_sandbox_id();
  filter.mutable_state()->set_state(runtime::v1::CONTAINER_CREATED);
  EXPECT_FALSE(Matches(Container(), filter));
  filter.clear_state();
  (*filter.mutable_label_selector())["none"] = "";
  EXPECT_FALSE(Matches(Container(), filter));
}

TEST(ContainerStatsFilter, OnlyRunningContainers) {
  runtime::v1::ContainerStatsFilter filter;
  EXPECT_TRUE(Matches(Container(), filter));
  record::ContainerRecord exited = Container();
  exited.set_state(record::ContainerRecord::EXITED);
  EXPECT_FALSE(Matches(exited, filter));
}

}  // namespace
}  // namespace gantry::cri
