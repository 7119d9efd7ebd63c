#include "runtime/rootfs/snapshotter.h"

#include <fcntl.h>
#include <sys/stat.h>

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

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SnapshotterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    MakeLayers();
    auto opened = Snapshotter::Open(dir_.path(), layers_.path());
    ASSERT_OK(opened);
    snapshotter_ = *std::move(opened);
  }
  void MakeLayers() {
    for (const char* layer : {"1/fs", "2/fs", "a/fs"}) {
      ASSERT_OK(sys::MkdirAllAt(layers_.fd(), layer, 0755));
    }
  }

  mode_t ModeOf(absl::string_view path) {
    absl::StatusOr<struct stat> node = sys::StatAt(dir_.fd(), path, 0);
    return node.ok() ? node->st_mode & 07777 : 0;
  }

  sys::testing::TempDir dir_;
  sys::testing::TempDir layers_;
  std::unique_ptr<Snapshotter> snapshotter_;
};

TEST_F(SnapshotterTest, PlanHasTheTopLayerFirst) {
  ASSERT_OK_AND_ASSIGN(OverlayPlan plan,
                       snapshotter_->Prepare("c1", {"1/fs", "2/fs", "a/fs"}));
  EXPECT_EQ(plan.layers_dir, layers_.path());
  EXPECT_THAT(plan.lower_dirs, ElementsAre("a/fs", "2/fs", "1/fs"));
  EXPECT_EQ(plan.upper, dir_.path() + "/containers/c1/upper");
  EXPECT_EQ(plan.work, dir_.path() + "/containers/c1/work");
  EXPECT_EQ(ModeOf("containers"), 0700u);
  EXPECT_EQ(ModeOf("containers/c1"), 0700u);
  EXPECT_EQ(ModeOf("containers/c1/upper"), 0755u);
  EXPECT_EQ(ModeOf("containers/c1/work"), 0700u);
}

// Its owner too: union_test.
TEST_F(SnapshotterTest, UpperHasTheTopLayersMode) {
  ASSERT_EQ(chmod((layers_.path() + "/a/fs").c_str(), 01751), 0);
  ASSERT_OK(snapshotter_->Prepare("c1", {"1/fs", "a/fs"}));
  EXPECT_EQ(ModeOf("containers/c1/upper"), 01751u);
  // The container's own word stays.
  ASSERT_EQ(chmod((dir_.path() + "/containers/c1/upper").c_str(), 0700), 0);
  ASSERT_OK(snapshotter_->Prepare("c1", {"1/fs", "a/fs"}));
  EXPECT_EQ(ModeOf("containers/c1/upper"), 0700u);
  ASSERT_OK(snapshotter_->Prepare("c2", {"a/fs", "1/fs"}));
  EXPECT_EQ(ModeOf("containers/c2/upper"), 0755u);
}

TEST_F(SnapshotterTest, LayerThatIsNotThereIsAnErrorAndLeavesNothing) {
  EXPECT_THAT(snapshotter_->Prepare("c1", {"1/fs", "3/fs"}),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(snapshotter_->List(), IsOkAndHolds(IsEmpty()));
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

TEST_F(SnapshotterTest, RemoveLeavesTheRecordToItsOwner) {
  ASSERT_OK(snapshotter_->Prepare("c1", {"1/fs"}));
  ASSERT_OK(sys::MkdirAllAt(dir_.fd(), "containers/c1/volumes/a", 0755));
  ASSERT_OK(
      sys::OpenAt(dir_.fd(), "containers/c1/record", O_CREAT | O_WRONLY, 0600));
  EXPECT_OK(snapshotter_->Remove("c1"));
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "containers/c1/record"));
  EXPECT_FALSE(sys::ExistsAt(dir_.fd(), "containers/c1/upper"));
  EXPECT_FALSE(sys::ExistsAt(dir_.fd(), "containers/c1/volumes"));
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

// With quotas in memory: what the kernel makes of them is project_quota_test's.
class LimitedTest : public SnapshotterTest {
 protected:
  void SetUp() override {
    MakeLayers();
    Open();
  }
  void Open() {
    snapshotter_ = *Snapshotter::Open(
        dir_.path(), layers_.path(),
        std::make_unique<testing::FakeProjectQuota>(&projects_));
  }
  uint32_t ProjectOf(absl::string_view path) {
    UniqueFd fd = *sys::OpenAt(dir_.fd(), path, O_RDONLY | O_DIRECTORY);
    return *testing::FakeProjectQuota(&projects_).ProjectOf(fd.get());
  }

  testing::FakeProjects projects_;
};

TEST_F(LimitedTest, BothHalvesOfALimitedLayerAreOneProject) {
  ASSERT_OK(snapshotter_->CanLimit());
  ASSERT_OK(snapshotter_->Prepare("c1", {"1/fs"}, 5 << 20));
  const uint32_t project = ProjectOf("containers/c1/upper");
  EXPECT_NE(project, 0u);
  EXPECT_EQ(ProjectOf("containers/c1/work"), project);
  // The record lies there too, and must never be refused.
  EXPECT_EQ(ProjectOf("containers/c1"), 0u);
  EXPECT_EQ(projects_.limits.at(project).bytes, 5u << 20);
  ASSERT_OK(snapshotter_->Prepare("c2", {"1/fs"}));
  EXPECT_EQ(ProjectOf("containers/c2/upper"), 0u);
}

TEST_F(LimitedTest, UsageOfALimitedLayerIsWhatCountsForTheLimit) {
  ASSERT_OK(snapshotter_->Prepare("c1", {"1/fs"}, 5 << 20));
  projects_.use[ProjectOf("containers/c1/upper")] = {.bytes = 123 << 10,
                                                     .inodes = 45};
  EXPECT_THAT(snapshotter_->UsageOf("c1"),
              IsOkAndHolds(Usage{.bytes = 123 << 10, .inodes = 45}));
}

TEST_F(LimitedTest, RemovalTakesTheLimitAlongAfterARestartToo) {
  ASSERT_OK(snapshotter_->Prepare("c1", {"1/fs"}, 5 << 20));
  Open();
  ASSERT_OK(snapshotter_->Remove("c1"));
  EXPECT_THAT(projects_.limits, IsEmpty());
}

TEST_F(LimitedTest, ALayerThatCannotBeLimitedIsNotMade) {
  projects_.on_set_limits = absl::InternalError("the disk is gone");
  EXPECT_THAT(snapshotter_->Prepare("c1", {"1/fs"}, 5 << 20),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(snapshotter_->List(), IsOkAndHolds(IsEmpty()));
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
