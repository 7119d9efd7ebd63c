#include "runtime/cgroup/subgroup.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/testing/fake_cgroupfs.h"

namespace gantry::cgroup {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using testing::FakeCgroupfs;

const std::vector<std::string> kNoControllers;

TEST(Subgroup, IsMadeInTheUnifiedHierarchyAlone) {
  FakeCgroupfs fake;
  const Hierarchies hierarchies =
      fake.Open({"memory", "freezer"}, &kNoControllers);
  fake.Put("unified/pod/c/cgroup.procs", "");
  ASSERT_OK_AND_ASSIGN(const Subgroup group,
                       Subgroup::Create(hierarchies, "pod/c", "exec-1"));
  EXPECT_TRUE(fake.Has("unified/pod/c/exec-1"));
  EXPECT_FALSE(fake.Has("memory/pod/c/exec-1"));
  EXPECT_FALSE(fake.Has("freezer/pod/c/exec-1"));
  EXPECT_TRUE(group.in_unified());
  ASSERT_OK_AND_ASSIGN(const UniqueFd target, group.CloneTarget());
  EXPECT_TRUE(target.valid());
  fake.Put("unified/pod/c/exec-1/cgroup.kill", "");
  EXPECT_THAT(group.KillOnce(), IsOkAndHolds(true));
  EXPECT_EQ(fake.Get("unified/pod/c/exec-1/cgroup.kill"), "1");
  EXPECT_THAT(Subgroup::Create(hierarchies, "pod/c", "exec-1"),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST(Subgroup, WithoutUnifiedTheFreezerHasIt) {
  FakeCgroupfs fake;
  const Hierarchies hierarchies = fake.Open({"memory", "freezer"}, nullptr);
  fake.Put("freezer/pod/c/cgroup.procs", "");
  ASSERT_OK_AND_ASSIGN(const Subgroup group,
                       Subgroup::Create(hierarchies, "pod/c", "exec-1"));
  EXPECT_TRUE(fake.Has("freezer/pod/c/exec-1"));
  EXPECT_FALSE(group.in_unified());
  fake.Put("freezer/pod/c/exec-1/cgroup.procs", "");
  EXPECT_OK(group.AddProcess(42));
  EXPECT_EQ(fake.Get("freezer/pod/c/exec-1/cgroup.procs"), "42");
  fake.Put("freezer/pod/c/exec-1/tasks", "");
  SelfPlacement placement;
  ASSERT_OK(group.AddTo(placement));
  ASSERT_OK(placement.Join());
  EXPECT_EQ(fake.Get("freezer/pod/c/exec-1/tasks"), "0");
}

TEST(Subgroup, OneThatIsGoneIsFine) {
  FakeCgroupfs fake;
  const Hierarchies hierarchies = fake.Open({"freezer"}, nullptr);
  fake.Put("freezer/c/cgroup.procs", "");
  ASSERT_OK_AND_ASSIGN(const Subgroup group,
                       Subgroup::Create(hierarchies, "c", "exec-1"));
  EXPECT_OK(group.Remove());
  EXPECT_FALSE(fake.Has("freezer/c/exec-1"));
  EXPECT_OK(group.Remove());
  EXPECT_OK(group.Signal(15));
  EXPECT_THAT(group.KillOnce(), IsOkAndHolds(true));
}

}  // namespace
}  // namespace gantry::cgroup
