#include "runtime/rootfs/usage.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::rootfs {
namespace {

using sys::testing::Dir;
using sys::testing::FakeTree;
using sys::testing::File;
using sys::testing::Symlink;

int64_t BlocksOf(const FakeTree& tree, absl::string_view path) {
  absl::StatusOr<struct stat> node =
      sys::StatAt(tree.fd(), path, AT_SYMLINK_NOFOLLOW);
  EXPECT_OK(node);
  return node->st_blocks * 512;
}

TEST(Usage, CountsEveryInodeWithItsBlocks) {
  FakeTree tree({Dir("a", {File("big", std::string(100'000, 'x')), Dir("b")}),
                 Symlink("link", "a/big")});
  int64_t bytes = 0;
  for (absl::string_view path : {".", "a", "a/big", "a/b", "link"}) {
    bytes += BlocksOf(tree, path);
  }
  ASSERT_OK_AND_ASSIGN(Usage usage, UsageOf(tree.fd()));
  EXPECT_EQ(usage.inodes, 5);
  EXPECT_EQ(usage.bytes, bytes);
  EXPECT_GE(usage.bytes, 100'000);
}

TEST(Usage, HardLinkedFileCountsOnce) {
  FakeTree tree({Dir("a", {File("one", std::string(50'000, 'x'))}), Dir("b")});
  ASSERT_OK_AND_ASSIGN(Usage before, UsageOf(tree.fd()));
  ASSERT_EQ(linkat(tree.fd(), "a/one", tree.fd(), "b/two", 0), 0);
  ASSERT_OK_AND_ASSIGN(Usage after, UsageOf(tree.fd()));
  EXPECT_EQ(after.inodes, before.inodes);
}

TEST(Usage, SymlinkToADirectoryIsNotFollowed) {
  FakeTree outside({File("f", std::string(1'000'000, 'x'))});
  FakeTree tree({Symlink("out", outside.path())});
  ASSERT_OK_AND_ASSIGN(Usage usage, UsageOf(tree.fd()));
  EXPECT_EQ(usage.inodes, 2);
  EXPECT_LT(usage.bytes, 100'000);
}

TEST(Usage, TreeDeeperThanAPathAndTheDescriptorsMayBe) {
  constexpr int kDepth = 1500;
  FakeTree tree;
  ASSERT_OK_AND_ASSIGN(UniqueFd at, sys::Duplicate(tree.fd()));
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_OK(sys::MkdirAt(at.get(), "deep", 0755));
    ASSERT_OK_AND_ASSIGN(at,
                         sys::OpenAt(at.get(), "deep", O_PATH | O_DIRECTORY));
  }
  ASSERT_OK_AND_ASSIGN(Usage usage, UsageOf(tree.fd()));
  EXPECT_EQ(usage.inodes, kDepth + 1);
}

TEST(FilesystemUsage, CountsUsedBytes) {
  FakeTree tree;
  ASSERT_OK_AND_ASSIGN(Usage usage, FilesystemUsage(tree.fd()));
  EXPECT_GT(usage.bytes, 0);
}

}  // namespace
}  // namespace gantry::rootfs
