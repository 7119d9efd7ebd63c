#include "runtime/cgroup/systemd/unit_names.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cgroup::systemd {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

TEST(UnitNamesTest, ASliceLiesWhereItsDashesSay) {
  EXPECT_THAT(ExpandSlice("gantry.slice"), IsOkAndHolds("/gantry.slice"));
  EXPECT_THAT(ExpandSlice("kubepods-burstable-pod1_2.slice"),
              IsOkAndHolds("/kubepods.slice/kubepods-burstable.slice/"
                           "kubepods-burstable-pod1_2.slice"));
}

TEST(UnitNamesTest, WhatIsNoSliceIsRefused) {
  for (const char* name :
       {"", ".slice", "-.slice", "a", "a.scope", "a.slice/", "-a.slice",
        "a-.slice", "a--b.slice", "a b.slice", "a/b.slice", "a@b.slice",
        "\xc3\xa4.slice", "a\n.slice"}) {
    EXPECT_THAT(ExpandSlice(name), StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
  EXPECT_THAT(ExpandSlice(absl::StrCat(std::string(250, 'a'), ".slice")),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(UnitNamesTest, AParentIsNamedBySliceOrPath) {
  EXPECT_THAT(ParentSlicePath("a-b.slice"), IsOkAndHolds("/a.slice/a-b.slice"));
  EXPECT_THAT(ParentSlicePath("/a.slice/a-b.slice/"),
              IsOkAndHolds("/a.slice/a-b.slice"));
  EXPECT_THAT(ParentSlicePath("/a-b.slice"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("its path is /a.slice/a-b.slice")));
  for (const char* parent :
       {"", "/", "/kubepods/pod1", "/x/../a.slice", "/system.slice/a.slice"}) {
    EXPECT_THAT(ParentSlicePath(parent),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << parent;
  }
  EXPECT_THAT(ParentSlicePath(absl::StrCat(std::string(200, 'a'), ".slice")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no room for a pod's id")));
}

TEST(UnitNamesTest, APodIsASliceAndAContainerAScopeInIt) {
  const std::string pod = PodSlicePath("/a.slice/a-b.slice", "p1");
  EXPECT_EQ(pod, "/a.slice/a-b.slice/a-b-p1.slice");
  EXPECT_THAT(ExpandSlice("a-b-p1.slice"), IsOkAndHolds(pod));
  EXPECT_EQ(ContainerPath(pod, "c1"), pod + "/gantry-c1.scope/container");
}

TEST(UnitNamesTest, ThePathOfACgroupTellsItsUnit) {
  const std::string pod = PodSlicePath("/gantry.slice", "p1");
  const auto slice = UnitOf(pod);
  ASSERT_TRUE(slice.has_value());
  EXPECT_EQ(slice->name, "gantry-p1.slice");
  EXPECT_EQ(slice->path, pod);
  EXPECT_EQ(slice->slice, "gantry.slice");
  EXPECT_FALSE(slice->is_scope);
  const auto scope = UnitOf(ContainerPath(pod, "c1"));
  ASSERT_TRUE(scope.has_value());
  EXPECT_EQ(scope->name, "gantry-c1.scope");
  EXPECT_EQ(scope->path, pod + "/gantry-c1.scope");
  EXPECT_EQ(scope->slice, "gantry-p1.slice");
  EXPECT_TRUE(scope->is_scope);
}

TEST(UnitNamesTest, CgroupsOfTheFileSystemDriverAreNoUnits) {
  for (const char* path :
       {"/gantry/p1", "/gantry/p1/c1", "/x/gantry-p1.slice",
        "/gantry/p1/gantry-c1.scope/container", "/a/container",
        "/system.slice/other.scope/container", ""}) {
    EXPECT_FALSE(UnitOf(path).has_value()) << path;
  }
}

}  // namespace
}  // namespace gantry::cgroup::systemd
