#include "runtime/rootfs/layer_limits.h"

#include <fcntl.h>

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/rootfs/testing/fake_project_quota.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::rootfs {
namespace {

using ::gantry::testing::StatusIs;
using testing::FakeProjectQuota;
using testing::FakeProjects;
using ::testing::IsEmpty;

class LayerLimitsTest : public ::testing::Test {
 protected:
  std::unique_ptr<LayerLimits> Open(uint64_t seed = 7) {
    return std::make_unique<LayerLimits>(
        std::make_unique<FakeProjectQuota>(&projects_), seed);
  }
  UniqueFd Directory(const std::string& name) {
    sys::MkdirAt(temp_.fd(), name, 0700).IgnoreError();
    return *sys::OpenAt(temp_.fd(), name, O_RDONLY | O_DIRECTORY);
  }
  // Limits a layer of one directory.
  absl::Status Limit(LayerLimits& limits, const std::string& id,
                     uint64_t bytes = 1 << 20) {
    const UniqueFd dir = Directory(id);
    const int fds[] = {dir.get()};
    return limits.Limit(id, bytes, fds);
  }

  sys::testing::TempDir temp_;
  FakeProjects projects_;
};

TEST_F(LayerLimitsTest, EachLayerIsAProjectOfItsOwn) {
  auto limits = Open();
  ASSERT_OK(Limit(*limits, "a", 100 << 20));
  ASSERT_OK(Limit(*limits, "b"));
  const uint32_t a = limits->ProjectOf("a").value();
  const uint32_t b = limits->ProjectOf("b").value();
  EXPECT_NE(a, b);
  EXPECT_EQ(projects_.limits[a],
            (ProjectLimits{.bytes = 100 << 20, .inodes = 25600}));
  EXPECT_EQ(projects_.limits[b],
            (ProjectLimits{.bytes = 1 << 20, .inodes = 1024}));
  EXPECT_EQ(limits->ProjectOf("c"), std::nullopt);
}

TEST_F(LayerLimitsTest, ANumberThatSomethingIsCountedForIsLeftAlone) {
  ASSERT_OK(Limit(*Open(), "a"));
  const uint32_t first = projects_.directories.begin()->second;
  projects_ = {};
  projects_.use[first] = {.inodes = 1};
  projects_.use[first + 1] = {.bytes = 4096};
  auto limits = Open();
  ASSERT_OK(Limit(*limits, "b"));
  EXPECT_EQ(limits->ProjectOf("b"), first + 2);
}

TEST_F(LayerLimitsTest, TheNumbersOfLayersThatAreThereAreNotPickedAgain) {
  ASSERT_OK(Limit(*Open(), "a"));
  // A server started anew, which picks from the same place.
  auto limits = Open();
  ASSERT_OK(limits->Recover("a", Directory("a").get()));
  ASSERT_OK(Limit(*limits, "b"));
  EXPECT_NE(limits->ProjectOf("a"), limits->ProjectOf("b"));
}

TEST_F(LayerLimitsTest, ForeignProjectsAreNobodysLayers) {
  const UniqueFd dir = Directory("a");
  FakeProjectQuota(&projects_).SetProject(dir.get(), 1048577).IgnoreError();
  auto limits = Open();
  ASSERT_OK(limits->Recover("a", dir.get()));
  EXPECT_EQ(limits->ProjectOf("a"), std::nullopt);
  EXPECT_OK(limits->Lift("a"));
  EXPECT_THAT(projects_.limits, IsEmpty());
}

TEST_F(LayerLimitsTest, WhatIsRemovedLeavesNoLimitAndFreesItsNumber) {
  auto limits = Open();
  ASSERT_OK(Limit(*limits, "a"));
  ASSERT_OK(limits->Lift("a"));
  EXPECT_THAT(projects_.limits, IsEmpty());
  // Still its own until it is gone: what it has written counts for it.
  EXPECT_TRUE(limits->ProjectOf("a").has_value());
  limits->Release("a");
  EXPECT_EQ(limits->ProjectOf("a"), std::nullopt);
  // All numbers can be had again and again.
  for (uint32_t i = 0; i < kProjects; ++i) {
    ASSERT_OK(Limit(*limits, "b"));
    limits->Release("b");
  }
}

TEST_F(LayerLimitsTest, WithoutAFreeNumberThereIsNoLimit) {
  for (uint32_t i = 0; i < kProjects; ++i) {
    projects_.use[kFirstProject + i] = {.inodes = 1};
  }
  EXPECT_THAT(Limit(*Open(), "a"),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(LayerLimitsTest, AFailureKeepsNoNumber) {
  projects_.on_set_limits = absl::InternalError("the disk is gone");
  auto limits = Open();
  EXPECT_THAT(Limit(*limits, "a"), StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(limits->ProjectOf("a"), std::nullopt);
}

TEST_F(LayerLimitsTest, FurtherDirectoriesJoinTheLayersProject) {
  auto limits = Open();
  ASSERT_OK(Limit(*limits, "a"));
  const UniqueFd volume = Directory("volume");
  ASSERT_OK(limits->Join("a", volume.get()));
  EXPECT_EQ(*FakeProjectQuota(&projects_).ProjectOf(volume.get()),
            limits->ProjectOf("a").value());
  const UniqueFd other = Directory("other");
  ASSERT_OK(limits->Join("unlimited", other.get()));
  EXPECT_EQ(*FakeProjectQuota(&projects_).ProjectOf(other.get()), 0u);
}

}  // namespace
}  // namespace gantry::rootfs
