#include "shim/process/container_cgroup.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::shim {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;

TEST(LayoutOf, HierarchiesAreTakenAsThePlanHasThem) {
  plan::CgroupPlan plan;
  plan::CgroupHierarchy* v1 = plan.add_hierarchies();
  v1->set_mount_path("/sys/fs/cgroup/cpu,cpuacct");
  v1->add_controllers("cpu");
  v1->add_controllers("cpuacct");
  plan::CgroupHierarchy* v2 = plan.add_hierarchies();
  v2->set_mount_path("/nowhere");
  v2->set_unified(true);
  v2->add_controllers("hugetlb");
  ASSERT_OK_AND_ASSIGN(cgroup::Layout layout, LayoutOf(plan));
  ASSERT_EQ(layout.hierarchies.size(), 2u);
  EXPECT_EQ(layout.hierarchies[0].version, cgroup::Version::kV1);
  EXPECT_EQ(layout.hierarchies[0].mount_path, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_THAT(layout.hierarchies[0].controllers, ElementsAre("cpu", "cpuacct"));
  EXPECT_EQ(layout.hierarchies[1].version, cgroup::Version::kV2);
  EXPECT_THAT(layout.hierarchies[1].controllers, ElementsAre("hugetlb"));
}

TEST(LayoutOf, UnifiedHierarchyIsAskedForItsControllers) {
  sys::testing::FakeTree tree(
      {sys::testing::File("cgroup.controllers", "cpu memory pids\n")});
  plan::CgroupPlan plan;
  plan.add_hierarchies()->set_mount_path(tree.path());
  plan.mutable_hierarchies(0)->set_unified(true);
  ASSERT_OK_AND_ASSIGN(cgroup::Layout layout, LayoutOf(plan));
  EXPECT_THAT(layout.hierarchies[0].controllers,
              ElementsAre("cpu", "memory", "pids"));
}

TEST(LayoutOf, PlanWithoutHierarchiesIsRefused) {
  EXPECT_THAT(LayoutOf(plan::CgroupPlan()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace gantry::shim
