#include "runtime/rootfs/snapshotter.h"

#include <sys/stat.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::rootfs {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SnapshotterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Snapshotter::Open(dir_.path(), "/layers");
    ASSERT_OK(opened);
    snapshotter_ = *std::move(opened);
  }

  mode_t ModeOf(absl::string_view path) {
    absl::StatusOr<struct stat> node = sys::StatAt(dir_.fd(), path, 0);
    return node.ok() ? node->st_mode & 07777 : 0;
  }

  sys::testing::TempDir dir_;
  std::unique_ptr<Snapshotter> snapshotter_;
};

TEST_F(SnapshotterTest, PlanHasTheTopLayerFirst) {
  ASSERT_OK_AND_ASSIGN(OverlayPlan plan,
                       snapshotter_->Prepare("c1", {"1/fs", "2/fs", "a/fs"}));
  EXPECT_EQ(plan.layers_dir, "/layers");
  EXPECT_THAT(plan.lower_dirs, ElementsAre("a/fs", "2/fs", "1/fs"));
  EXPECT_EQ(plan.upper, dir_.path() + "/containers/c1/upper");
  EXPECT_EQ(plan.work, dir_.path() + "/containers/c1/work");
  EXPECT_EQ(ModeOf("containers"), 0700u);
  EXPECT_EQ(ModeOf("containers/c1"), 0700u);
  EXPECT_EQ(ModeOf("containers/c1/upper"), 0755u);
  EXPECT_EQ(ModeOf("containers/c1/work"), 0700u);
}

TEST_F(SnapshotterTest, PrepareAgainKeepsWhatWasWritten) {
  ASSERT_OK(snapshotter_->Prepare("c1", {"1/fs"}));
  ASSERT_OK(sys::MkdirAt(dir_.fd(), "containers/c1/upper/kept", 0755));
  ASSERT_OK(snapshotter_->Prepare("c1", {"1/fs"}));
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "containers/c1/upper/kept"));
}

TEST_F(SnapshotterTest, ImageWithoutLayersGetsAnEmptyLowerDirectory) {
  ASSERT_OK_AND_ASSIGN(OverlayPlan plan, snapshotter_->Prepare("c1", {}));
  EXPECT_EQ(plan.layers_dir, dir_.path() + "/containers/c1");
  EXPECT_THAT(plan.lower_dirs, ElementsAre("empty"));
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "containers/c1/empty"));
}

TEST_F(SnapshotterTest, RemoveTakesAllAndKnowsNoUnknown) {
  ASSERT_OK(snapshotter_->Prepare("c1", {"1/fs"}));
  ASSERT_OK(sys::MkdirAllAt(dir_.fd(), "containers/c1/upper/a/b/c", 0755));
  EXPECT_THAT(snapshotter_->List(), IsOkAndHolds(ElementsAre("c1")));
  EXPECT_OK(snapshotter_->Remove("c1"));
  EXPECT_OK(snapshotter_->Remove("c1"));
  EXPECT_OK(snapshotter_->Remove("never-was"));
  EXPECT_THAT(snapshotter_->List(), IsOkAndHolds(IsEmpty()));
}

TEST_F(SnapshotterTest, UsageIsThatOfUpperOnly) {
  ASSERT_OK(snapshotter_->Prepare("c1", {"1/fs"}));
  ASSERT_OK_AND_ASSIGN(Usage before, snapshotter_->UsageOf("c1"));
  EXPECT_EQ(before.inodes, 1);
  ASSERT_OK(sys::MkdirAt(dir_.fd(), "containers/c1/work/w", 0755));
  ASSERT_OK(sys::MkdirAt(dir_.fd(), "containers/c1/upper/u", 0755));
  ASSERT_OK_AND_ASSIGN(Usage after, snapshotter_->UsageOf("c1"));
  EXPECT_EQ(after.inodes, 2);
  EXPECT_THAT(snapshotter_->UsageOf("c2"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SnapshotterTest, RefusesIdsAndLayersThatLeadElsewhere) {
  for (const char* id : {"", ".", "..", "../x", "a/b", ".hidden"}) {
    EXPECT_THAT(snapshotter_->Prepare(id, {"1/fs"}),
                StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(snapshotter_->Remove(id),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  for (const char* lower : {"", "/etc", "../x", "1/../../x", "a:b", "a,b"}) {
    EXPECT_THAT(snapshotter_->Prepare("c1", {lower}),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << lower;
  }
  EXPECT_FALSE(sys::ExistsAt(dir_.fd(), "containers/c1"));
}

}  // namespace
}  // namespace gantry::rootfs
