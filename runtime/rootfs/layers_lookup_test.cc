#include "runtime/rootfs/layers_lookup.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <string>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::rootfs {
namespace {

using sys::testing::Dir;
using sys::testing::FakeTree;
using sys::testing::File;
using sys::testing::Symlink;
using testing::IsOkAndHolds;

class LookUpInLayersTest : public ::testing::Test {
 protected:
  absl::StatusOr<Lookup> LookUp(const std::string& path) {
    return LookUpInLayers(tree_.fd(), {"2/fs", "1/fs"}, path);
  }

  FakeTree tree_{{Dir("1/fs", {Dir("a", {File("low"), File("gone"),
                                         Dir("b", {File("deep")})}),
                               File("file"), Dir("was"), File("hidden/x")}),
                  Dir("2/fs", {Dir("a", {File("high"), Dir("b")}),
                               Symlink("link", "a"), File("was")})}};
};

TEST_F(LookUpInLayersTest, MergesDirectories) {
  for (const char* path : {"a", "a/low", "a/high", "a/b/deep", "file", "was"}) {
    EXPECT_THAT(LookUp(path), IsOkAndHolds(Lookup::kThere)) << path;
  }
  for (const char* path : {"x", "a/x", "file/x", "x/y", "a/b/deep/x"}) {
    EXPECT_THAT(LookUp(path), IsOkAndHolds(Lookup::kMissing)) << path;
  }
}

TEST_F(LookUpInLayersTest, AFileHidesTheDirectoryBelowIt) {
  EXPECT_THAT(LookUp("was/x"), IsOkAndHolds(Lookup::kMissing));
}

TEST_F(LookUpInLayersTest, DoesNotFollowLinks) {
  EXPECT_THAT(LookUp("link"), IsOkAndHolds(Lookup::kUntold));
  EXPECT_THAT(LookUp("link/low"), IsOkAndHolds(Lookup::kUntold));
}

TEST_F(LookUpInLayersTest, WhiteoutsAndOpaqueDirectoriesHide) {
  const std::string top = tree_.path() + "/2/fs/";
  ASSERT_EQ(mknod((top + "a/gone").c_str(), S_IFCHR | 0600, 0), 0);
  ASSERT_EQ(
      setxattr((top + "a/b").c_str(), "trusted.overlay.opaque", "y", 1, 0), 0);
  EXPECT_THAT(LookUp("a/gone"), IsOkAndHolds(Lookup::kMissing));
  EXPECT_THAT(LookUp("a/b"), IsOkAndHolds(Lookup::kThere));
  EXPECT_THAT(LookUp("a/b/deep"), IsOkAndHolds(Lookup::kMissing));
  EXPECT_THAT(LookUp("hidden/x"), IsOkAndHolds(Lookup::kThere));
}

TEST_F(LookUpInLayersTest, LayersMustBeThere) {
  EXPECT_THAT(LookUpInLayers(tree_.fd(), {"3/fs"}, "a"),
              testing::StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace gantry::rootfs
