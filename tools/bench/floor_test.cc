#include "tools/bench/floor.h"

#include <fcntl.h>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/detect.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mountinfo.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::bench {
namespace {

using ::gantry::testing::StatusIs;

// How many of this machine's hierarchies have a cgroup of that name.
int CgroupsNamed(const std::string& name) {
  int count = 0;
  const auto root = sys::OpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  const auto layout = cgroup::DetectLayout(root->get());
  for (const cgroup::Hierarchy& hierarchy : layout->hierarchies) {
    count += sys::ExistsAt(AT_FDCWD, hierarchy.mount_path + "/" + name);
  }
  return count;
}

size_t MountCount() {
  const auto proc = sys::OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY);
  return sys::ReadMountinfo(proc->get())->size();
}

TEST(Floor, PartsAreMeasuredAndSumUpToTheWhole) {
  sys::testing::TempDir scratch;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Floor> floor,
                       Floor::Make(scratch.path()));
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(FloorCosts costs, floor->Measure());
    for (int64_t part :
         {costs.make_cgroups, costs.clone_namespaces, costs.join_cgroups,
          costs.mount_overlay, costs.exec_and_reap, costs.remove_cgroups,
          costs.plain_process}) {
      EXPECT_GT(part, 0);
    }
    EXPECT_EQ(costs.whole, costs.make_cgroups + costs.clone_namespaces +
                               costs.join_cgroups + costs.mount_overlay +
                               costs.exec_and_reap + costs.remove_cgroups);
  }
}

TEST(Floor, LeavesNothingBehind) {
  sys::testing::TempDir scratch;
  const size_t mounts = MountCount();
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Floor> floor,
                       Floor::Make(scratch.path()));
  const std::string name = floor->cgroup_name();
  ASSERT_OK(floor->Measure());
  EXPECT_EQ(CgroupsNamed(name), 0);
  EXPECT_EQ(MountCount(), mounts);
  floor.reset();
  ASSERT_OK_AND_ASSIGN(auto left, sys::ListDirAt(scratch.fd(), "."));
  EXPECT_TRUE(left.empty());
}

TEST(Floor, FailedPartIsNamedAndCleanedUp) {
  sys::testing::TempDir scratch;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Floor> floor,
                       Floor::Make(scratch.path()));
  const std::string name = floor->cgroup_name();
  ASSERT_OK(sys::RmdirAt(AT_FDCWD, floor->directory() + "/lower"));
  EXPECT_THAT(floor->Measure(),
              StatusIs(absl::StatusCode::kNotFound,
                       ::testing::HasSubstr("mount the overlay: ENOENT")));
  EXPECT_EQ(CgroupsNamed(name), 0);
}

TEST(Floor, ScratchDirectoryMustExist) {
  EXPECT_THAT(Floor::Make("/no/such/directory"),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace gantry::bench
