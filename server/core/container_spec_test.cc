#include "server/core/container_spec.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::core {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;

record::ImageConfigRecord Image() {
  record::ImageConfigRecord image;
  image.add_entrypoint("/entry");
  image.add_cmd("cmd");
  image.add_env("PATH=/image");
  image.add_env("A=image");
  image.set_working_dir("/srv");
  image.set_user("app");
  return image;
}

record::PodRecord Pod() {
  record::PodRecord pod;
  pod.set_id("p1");
  pod.set_cgroup_path("/gantry/p1");
  pod.set_own_network(true);
  pod.set_own_ipc(true);
  pod.set_own_uts(true);
  pod.set_log_directory("/var/log/pods/p1");
  return pod;
}

TEST(ProcessArgs, FollowsKubernetesTable) {
  ContainerRequest request;
  EXPECT_THAT(ProcessArgs(request, Image()),
              IsOkAndHolds(ElementsAre("/entry", "cmd")));
  request.args = {"x"};
  EXPECT_THAT(ProcessArgs(request, Image()),
              IsOkAndHolds(ElementsAre("/entry", "x")));
  request.command = {"/own"};
  EXPECT_THAT(ProcessArgs(request, Image()),
              IsOkAndHolds(ElementsAre("/own", "x")));
  request.args.clear();
  EXPECT_THAT(ProcessArgs(request, Image()), IsOkAndHolds(ElementsAre("/own")));
  request.command.clear();
  EXPECT_THAT(ProcessArgs(request, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ProcessEnv, LaterAssignmentsReplaceEarlierOnes) {
  ContainerRequest request;
  request.spec.mutable_process()->add_env("A=request");
  request.spec.mutable_process()->add_env("B=with=equals");
  EXPECT_THAT(
      ProcessEnv(request, Image(), "web"),
      ElementsAre("PATH=/image", "A=request", "B=with=equals", "HOSTNAME=web"));
  request.spec.mutable_stdio()->set_terminal(true);
  EXPECT_THAT(ProcessEnv(request, {}, "web"), Contains("TERM=xterm"));
}

TEST(CompleteSpec, TakesWhatTheRequestLeavesOpenFromImageAndPod) {
  ContainerRequest request;
  request.log_path = "web/0.log";
  ASSERT_OK_AND_ASSIGN(spec::ContainerSpec spec,
                       CompleteSpec(request, Image(), Pod(), "web", "c1",
                                    Paths("/root", "/run/g")));
  EXPECT_EQ(spec.cgroup_path(), "/gantry/p1/c1");
  EXPECT_EQ(spec.process().cwd(), "/srv");
  EXPECT_EQ(spec.process().user().user(), "app");
  EXPECT_EQ(spec.namespaces().network(), spec::POD);
  EXPECT_EQ(spec.shm_path(), "/run/g/pods/p1/shm");
  EXPECT_EQ(spec.stdio().log_path(), "/var/log/pods/p1/web/0.log");
  EXPECT_EQ(spec.mounts_size(), 3);
}

TEST(CompleteSpec, TheRequestsOwnChoicesStand) {
  ContainerRequest request;
  request.spec.mutable_process()->set_cwd("/own");
  request.spec.mutable_process()->mutable_user()->set_user("7");
  request.spec.mutable_namespaces()->set_ipc(spec::CONTAINER);
  request.spec.add_mounts()->set_container_path("/etc/hosts");
  record::PodRecord pod = Pod();
  pod.set_own_network(false);
  ASSERT_OK_AND_ASSIGN(spec::ContainerSpec spec,
                       CompleteSpec(request, Image(), pod, "web", "c1",
                                    Paths("/root", "/run/g")));
  EXPECT_EQ(spec.process().cwd(), "/own");
  EXPECT_EQ(spec.process().user().user(), "7");
  EXPECT_EQ(spec.namespaces().network(), spec::NODE);
  EXPECT_EQ(spec.namespaces().ipc(), spec::CONTAINER);
  EXPECT_EQ(spec.shm_path(), "");
  // The client's own /etc/hosts, and the pod's hostname and resolv.conf.
  EXPECT_EQ(spec.mounts_size(), 3);
  EXPECT_EQ(spec.mounts(0).host_path(), "");
  EXPECT_EQ(spec.stdio().log_path(), "");
}

}  // namespace
}  // namespace gantry::core
