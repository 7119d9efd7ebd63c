// The attribute can be set without SELinux in the kernel, by root.

#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/security_label.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::sys {
namespace {

using ::gantry::sys::testing::Dir;
using ::gantry::sys::testing::FakeTree;
using ::gantry::sys::testing::File;
using ::gantry::sys::testing::Symlink;
using ::gantry::testing::IsOk;
using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;

constexpr char kLabel[] = "system_u:object_r:container_ro_file_t:s0";

absl::StatusOr<std::string> LabelAt(const FakeTree& tree,
                                    const std::string& path) {
  absl::StatusOr<UniqueFd> fd = OpenAt(tree.fd(), path, O_PATH | O_NOFOLLOW);
  if (!fd.ok()) return fd.status();
  return LabelOf(fd->get());
}

TEST(SecurityLabel, IsWhatWasSet) {
  FakeTree tree({File("file", "x")});
  EXPECT_THAT(LabelAt(tree, "file"), IsOkAndHolds(""));
  {
    absl::StatusOr<UniqueFd> fd = OpenAt(tree.fd(), "file", O_PATH);
    ASSERT_THAT(fd, IsOk());
    ASSERT_THAT(SetLabel(fd->get(), kLabel), IsOk());
  }
  EXPECT_THAT(LabelAt(tree, "file"), IsOkAndHolds(kLabel));
}

TEST(SecurityLabel, AllBelowADirectoryButNotItsOwnNorBehindLinks) {
  FakeTree tree({Dir("top", {Dir("dir", {File("deep", "x")}), File("file", "x"),
                             Symlink("link", "../outside")}),
                 File("outside", "x")});
  ASSERT_EQ(mkfifoat(tree.fd(), "top/fifo", 0600), 0);
  absl::StatusOr<UniqueFd> top =
      OpenAt(tree.fd(), "top", O_RDONLY | O_DIRECTORY);
  ASSERT_THAT(top, IsOk());
  ASSERT_THAT(SetLabelsBelow(top->get(), kLabel), IsOk());
  for (const char* path : {"top/dir", "top/dir/deep", "top/file", "top/fifo"}) {
    EXPECT_THAT(LabelAt(tree, path), IsOkAndHolds(kLabel)) << path;
  }
  EXPECT_THAT(LabelAt(tree, "top"), IsOkAndHolds(""));
  EXPECT_THAT(LabelAt(tree, "outside"), IsOkAndHolds(""));
}

TEST(SecurityLabel, DirectoriesTooDeepAreAnErrorAndNoCrash) {
  FakeTree tree;
  UniqueFd dir = OpenAt(tree.fd(), ".", O_RDONLY | O_DIRECTORY).value();
  for (int depth = 0; depth < 402; ++depth) {
    ASSERT_EQ(mkdirat(dir.get(), "d", 0700), 0);
    dir = OpenAt(dir.get(), "d", O_RDONLY | O_DIRECTORY).value();
  }
  EXPECT_THAT(SetLabelsBelow(tree.fd(), kLabel),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       ::testing::HasSubstr("deeper than 400")));
}

}  // namespace
}  // namespace gantry::sys
