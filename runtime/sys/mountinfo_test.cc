#include "runtime/sys/mountinfo.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using testing::Dir;
using ::testing::ElementsAre;
using testing::FakeTree;
using testing::File;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::string_view kTable =
    "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root "
    "rw,errors=continue\n"
    "41 36 0:25 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:8 master:3 "
    "unbindable - cgroup cgroup rw,cpu,cpuacct\n"
    "42 36 0:26 / /a\\040b\\011c\\134d\\012e rw - tmpfs  rw,size=64k\n";

TEST(Mountinfo, ReadsEveryColumn) {
  ASSERT_OK_AND_ASSIGN(auto mounts, ParseMountinfo(kTable));
  ASSERT_EQ(mounts.size(), 3);
  EXPECT_EQ(mounts[0].id, 36);
  EXPECT_EQ(mounts[0].parent_id, 35);
  EXPECT_EQ(mounts[0].major, 98);
  EXPECT_EQ(mounts[0].minor, 0);
  EXPECT_EQ(mounts[0].root, "/mnt1");
  EXPECT_EQ(mounts[0].mount_point, "/mnt2");
  EXPECT_EQ(mounts[0].options, "rw,noatime");
  EXPECT_THAT(mounts[0].tags, ElementsAre("master:1"));
  EXPECT_EQ(mounts[0].fs_type, "ext3");
  EXPECT_EQ(mounts[0].source, "/dev/root");
  EXPECT_EQ(mounts[0].super_options, "rw,errors=continue");
  EXPECT_THAT(mounts[1].tags,
              ElementsAre("shared:8", "master:3", "unbindable"));
  EXPECT_EQ(mounts[1].super_options, "rw,cpu,cpuacct");
}

TEST(Mountinfo, EscapesAreUndoneAndASourceMayBeEmpty) {
  ASSERT_OK_AND_ASSIGN(auto mounts, ParseMountinfo(kTable));
  EXPECT_EQ(mounts[2].mount_point, "/a b\tc\\d\ne");
  EXPECT_THAT(mounts[2].tags, IsEmpty());
  EXPECT_EQ(mounts[2].source, "");
  EXPECT_EQ(mounts[2].super_options, "rw,size=64k");
}

TEST(Mountinfo, AMountPointMayLookLikeTheSeparatorOrHoldAnyByte) {
  ASSERT_OK_AND_ASSIGN(
      auto mounts,
      ParseMountinfo("1 2 0:1 / /- rw - t s o\n1 2 0:1 / /\xff\\1\\09 rw - t s "
                     "lowerdir=/a b:/c\n"));
  EXPECT_EQ(mounts[0].mount_point, "/-");
  EXPECT_EQ(mounts[1].mount_point, "/\xff\\1\\09");
  EXPECT_EQ(mounts[1].super_options, "lowerdir=/a b:/c");
}

TEST(Mountinfo, MalformedLinesAreNamed) {
  EXPECT_THAT(ParseMountinfo("36 35 98:0 /mnt1 /mnt2 rw master:1\n"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("line 1: no valid separator")));
  EXPECT_THAT(
      ParseMountinfo(std::string(kTable) + "x 35 98:0 / / rw - a b c\n"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("line 4: no valid mount id in \"x 35")));
  for (const char* line :
       {"\n", " ", "36", "36 35", "36 35 98", "36 35 98:0", "36 35 98:0 /",
        "36 35 98:0 / /", "36 35 98:0 / / rw", "36 35 98:0 / / rw -",
        "36 35 98:0 / / rw - ", "-1 35 98:0 / / rw - a b c",
        "99999999999999999999 1 98:0 / / rw - a b c"}) {
    EXPECT_THAT(ParseMountinfo(line),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << line;
  }
  EXPECT_THAT(ParseMountinfo(""), IsOkAndHolds(IsEmpty()));
}

// What the parser says does not matter here; that it stays within its input
// does (run under AddressSanitizer).
TEST(Mountinfo, AnyCutAndAnyChangedByteIsSurvived) {
  const std::string table(kTable);
  for (size_t i = 0; i <= table.size(); ++i) {
    ParseMountinfo(table.substr(0, i)).status().IgnoreError();
    ParseMountinfo(table.substr(i)).status().IgnoreError();
  }
  int refused = 0;
  for (size_t i = 0; i < table.size(); ++i) {
    for (const char c : {' ', '\\', '\n', '-', '\0', '\xff', '0'}) {
      std::string changed = table;
      changed[i] = c;
      refused += !ParseMountinfo(changed).ok();
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(Mountinfo, ReadsTheCallersTableBelowProc) {
  FakeTree proc({Dir("self", {File("mountinfo", std::string(kTable))})});
  ASSERT_OK_AND_ASSIGN(auto mounts, ReadMountinfo(proc.fd()));
  EXPECT_EQ(mounts.size(), 3);
  FakeTree none;
  EXPECT_THAT(ReadMountinfo(none.fd()), StatusIs(absl::StatusCode::kNotFound));
}

TEST(MountOf, GoesByTheMountsId) {
  FakeTree proc(
      {Dir("self", {File("mountinfo",
                         "36 1 98:0 / / rw shared:1 - ext4 /dev/a rw\n"
                         "37 36 98:0 /x /x rw master:2 - ext4 /dev/a rw\n"),
                    File("fdinfo/5", "pos:\t0\nflags:\t0\nmnt_id:\t37\n"),
                    File("fdinfo/6", "pos:\t0\nmnt_id:\t99\n"),
                    File("fdinfo/7", "pos:\t0\nmnt_id:\tx\n")})});
  ASSERT_OK_AND_ASSIGN(MountInfo mount, MountOf(proc.fd(), 5));
  EXPECT_EQ(mount.mount_point, "/x");
  EXPECT_THAT(MountOf(proc.fd(), 6), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(MountOf(proc.fd(), 7), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(MountOf(proc.fd(), 8), StatusIs(absl::StatusCode::kNotFound));
}

TEST(MountOf, FindsTheMountOfAnOpenFile) {
  ASSERT_OK_AND_ASSIGN(UniqueFd proc, OpenAt(AT_FDCWD, "/proc", O_PATH));
  ASSERT_OK_AND_ASSIGN(UniqueFd file,
                       OpenAt(proc.get(), "self/status", O_PATH));
  ASSERT_OK_AND_ASSIGN(MountInfo mount, MountOf(proc.get(), file.get()));
  EXPECT_EQ(mount.fs_type, "proc");
}

}  // namespace
}  // namespace gantry::sys
