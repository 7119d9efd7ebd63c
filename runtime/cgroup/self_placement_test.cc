#include "runtime/cgroup/self_placement.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/testing/fake_cgroupfs.h"

namespace gantry::cgroup {
namespace {

using ::gantry::testing::StatusIs;
using testing::FakeCgroupfs;
using ::testing::HasSubstr;

const std::vector<std::string> kNone;

TEST(SelfPlacementTest, EveryHierarchyButTheUnifiedOne) {
  FakeCgroupfs fs({{"memory/c/tasks", ""},
                   {"pids/c/tasks", ""},
                   {"pids/c/below/tasks", ""},
                   {"unified/c/cgroup.procs", ""}});
  const Hierarchies hierarchies = fs.Open({"memory", "pids"}, &kNone);
  ASSERT_OK_AND_ASSIGN(SelfPlacement placement,
                       SelfPlacement::Open(hierarchies, "c"));
  ASSERT_OK(placement.Add(hierarchies, hierarchies.Find("pids")->hierarchy,
                          "c/below"));
  // Opening alone moves nobody.
  EXPECT_EQ(fs.Get("memory/c/tasks"), "");
  ASSERT_OK(placement.Join());
  EXPECT_EQ(fs.Get("memory/c/tasks"), "0");
  EXPECT_EQ(fs.Get("pids/c/tasks"), "0");
  EXPECT_EQ(fs.Get("pids/c/below/tasks"), "0");
  EXPECT_EQ(fs.Get("unified/c/cgroup.procs"), "");
}

TEST(SelfPlacementTest, NothingToDoWithCgroup2Alone) {
  FakeCgroupfs fs({{"unified/c/cgroup.procs", ""}});
  const Hierarchies hierarchies = fs.Open({}, &kNone);
  ASSERT_OK_AND_ASSIGN(SelfPlacement placement,
                       SelfPlacement::Open(hierarchies, "c"));
  EXPECT_TRUE(placement.empty());
  EXPECT_OK(placement.Join());
}

TEST(SelfPlacementTest, AMissingCgroupIsTold) {
  FakeCgroupfs fs({{"memory/c/tasks", ""}});
  const Hierarchies hierarchies = fs.Open({"memory"}, nullptr);
  EXPECT_THAT(SelfPlacement::Open(hierarchies, "absent").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("absent/tasks")));
}

}  // namespace
}  // namespace gantry::cgroup
