#include "server/core/image_volumes.h"

#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::core {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::StatusIs;
using sys::testing::Dir;
using sys::testing::FakeTree;
using sys::testing::File;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

spec::ContainerSpec Spec() {
  spec::ContainerSpec spec;
  spec.set_id("c1");
  return spec;
}

std::vector<std::string> Targets(const spec::ContainerSpec& spec) {
  std::vector<std::string> targets;
  for (const spec::BindMount& mount : spec.mounts()) {
    targets.push_back(mount.container_path());
  }
  return targets;
}

// Fails without CleanAbsolutePath.
TEST(AddImageVolumes, PathsAreThoseInsideTheRootfs) {
  const Paths paths("/root", "/run");
  record::ImageConfigRecord image;
  for (const char* path : {"/data/", "../../etc", "relative", "/a/../data"}) {
    image.add_volumes(path);
  }
  spec::ContainerSpec spec = Spec();
  ASSERT_OK(AddImageVolumes(image, paths, spec));
  // "/data" once, whatever it is called.
  EXPECT_THAT(Targets(spec), ElementsAre("/data", "/etc", "/relative"));
  EXPECT_EQ(spec.mounts(1).host_path(), "/root/containers/c1/volumes/1");
  EXPECT_TRUE(spec.mounts(1).image_volume());
  EXPECT_FALSE(spec.mounts(1).read_only());
}

TEST(AddImageVolumes, AClientsMountTakesTheVolumesPlace) {
  const Paths paths("/root", "/run");
  record::ImageConfigRecord image;
  image.add_volumes("/data");
  image.add_volumes("/data/below");
  spec::ContainerSpec spec = Spec();
  spec.add_mounts()->set_container_path("//data/.");
  ASSERT_OK(AddImageVolumes(image, paths, spec));
  EXPECT_THAT(Targets(spec), ElementsAre("//data/.", "/data/below"));
}

// Fails without kMaxVolumes, and without CleanAbsolutePath.
TEST(AddImageVolumes, ThereIsAnEndToThem) {
  const Paths paths("/root", "/run");
  record::ImageConfigRecord image;
  for (int i = 0; i < 257; ++i) image.add_volumes(absl::StrCat("/", i));
  spec::ContainerSpec spec = Spec();
  EXPECT_THAT(AddImageVolumes(image, paths, spec),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("names 257 volumes")));
  image.clear_volumes();
  image.add_volumes(std::string("/a\0b", 4));
  EXPECT_THAT(AddImageVolumes(image, paths, spec),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(MakeImageVolumes, AreEmptyEachTime) {
  FakeTree root({Dir("containers/c1", {File("record", "kept")})});
  const Paths paths(root.path(), "/run");
  record::ImageConfigRecord image;
  image.add_volumes("/a");
  image.add_volumes("/b");
  spec::ContainerSpec spec = Spec();
  ASSERT_OK(AddImageVolumes(image, paths, spec));
  EXPECT_THAT(MakeImageVolumes(paths, spec), IsOk());
  root.Write("containers/c1/volumes/0/half", "copied");
  EXPECT_THAT(MakeImageVolumes(paths, spec), IsOk());
  EXPECT_FALSE(root.Exists("containers/c1/volumes/0/half"));
  EXPECT_TRUE(root.Exists("containers/c1/volumes/1/."));
  EXPECT_EQ(root.Read("containers/c1/record"), "kept");
  struct stat info = {};
  ASSERT_EQ(stat((root.path() + "/containers/c1/volumes/0").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
}

TEST(MakeImageVolumes, NoneIsNothingToDo) {
  EXPECT_THAT(MakeImageVolumes(Paths("/no/such", "/run"), Spec()), IsOk());
}

}  // namespace
}  // namespace gantry::core
