#include "shim/init/user_lookup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::init {
namespace {

using Groups = std::vector<uint32_t>;

UserFiles Files() {
  return {
      "root:x:0:0:root:/root:/bin/sh\n"
      "app:x:1000:1001:App:/home/app:/bin/sh\n"
      "1000:x:0:0:trap:/trap:/bin/sh\n"
      "4294967296:x:0:0:trap:/trap:/bin/sh\n"
      "app:x:0:0:second entry:/trap:/bin/sh\n",
      "root:x:0:\n"
      "app:x:1001:\n"
      "audio:x:29:app,other\n"
      "video:x:44:other,app\n"
      "appendix:x:45:application\n"};
}

spec::User User(const std::string& text) {
  spec::User user;
  user.set_user(text);
  return user;
}

absl::StatusOr<ResolvedUser> Resolve(const std::string& text) {
  return ResolveUser(User(text), Files());
}

TEST(ResolveUser, EmptyIsRoot) {
  ResolvedUser user = *Resolve("");
  EXPECT_EQ(user.uid, 0u);
  EXPECT_EQ(user.gid, 0u);
  EXPECT_EQ(user.home, "/root");
  EXPECT_EQ(user.groups, Groups({0}));
}

TEST(ResolveUser, NameBringsGroupHomeAndMemberships) {
  ResolvedUser user = *Resolve("app");
  EXPECT_EQ(user.uid, 1000u);
  EXPECT_EQ(user.gid, 1001u);
  EXPECT_EQ(user.home, "/home/app");
  EXPECT_EQ(user.groups, Groups({1001, 29, 44}));
}

TEST(ResolveUser, DigitsAreNeverAName) {
  ResolvedUser user = *Resolve("1000");
  EXPECT_EQ(user.uid, 1000u);
  EXPECT_EQ(user.gid, 1001u);
  EXPECT_EQ(user.home, "/home/app");
}

TEST(ResolveUser, ANumberWithoutAnEntryHasGroupZeroAndNoHome) {
  ResolvedUser user = *Resolve("4711");
  EXPECT_EQ(user.uid, 4711u);
  EXPECT_EQ(user.gid, 0u);
  EXPECT_EQ(user.home, "/");
  EXPECT_EQ(user.groups, Groups({0}));
}

TEST(ResolveUser, GroupPartByNumberAndName) {
  EXPECT_EQ(Resolve("app:5")->gid, 5u);
  EXPECT_EQ(Resolve("app:video")->gid, 44u);
  EXPECT_EQ(Resolve("1234:video")->gid, 44u);
  EXPECT_EQ(Resolve("app:video")->groups, Groups({44, 29}));
}

TEST(ResolveUser, NumbersOutOfRangeAreRefused) {
  for (const char* text :
       {"2147483648", "4294967295", "4294967296", "18446744073709551616",
        "1:2147483648", "1:4294967296", "-1", "+1", "1:-1"}) {
    EXPECT_EQ(Resolve(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
  EXPECT_EQ(Resolve("2147483647")->uid, 2147483647u);
}

TEST(ResolveUser, MalformedUsersAreRefused) {
  for (const char* text :
       {":", ":5", "app:", "app:5:6", "a\nb", "app:vid\teo"}) {
    EXPECT_EQ(Resolve(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(ResolveUser, UnknownNamesAreNotFound) {
  EXPECT_EQ(Resolve("ghost").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Resolve("app:ghost").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Resolve("ap").status().code(), absl::StatusCode::kNotFound);
}

TEST(ResolveUser, GroupsMergeOrStrict) {
  spec::User user = User("app");
  user.add_supplemental_gids(7);
  user.add_supplemental_gids(29);
  EXPECT_EQ(ResolveUser(user, Files())->groups, Groups({1001, 7, 29, 44}));
  user.set_strict_groups(true);
  EXPECT_EQ(ResolveUser(user, Files())->groups, Groups({1001, 7, 29}));
  user.set_gid(9);
  EXPECT_EQ(ResolveUser(user, Files())->groups, Groups({9, 7, 29}));
  user.add_supplemental_gids(4294967296);
  EXPECT_FALSE(ResolveUser(user, Files()).ok());
  user.clear_supplemental_gids();
  user.set_gid(-1);
  EXPECT_FALSE(ResolveUser(user, Files()).ok());
}

TEST(ResolveUser, GarbageLinesAreSkipped) {
  UserFiles files;
  files.passwd =
      std::string("\n::::::\nx\nevil:x:0\nevil:x:4294967296:0:::\n") +
      "evil:x:-0:0:::\nevil:x: 0:0:::\nevil:x::0:::\n" +
      std::string("ev\0il:x:0:0:::\n", 15) +
      "evil:x:0:0:a:b:c:d\nevil:x:5:6::relative:\nevil:x:0:0:::";
  ResolvedUser user = *ResolveUser(User("evil"), files);
  EXPECT_EQ(user.uid, 5u);
  EXPECT_EQ(user.gid, 6u);
  EXPECT_EQ(user.home, "/");
}

TEST(ResolveUser, AHomeWithControlBytesIsNotUsed) {
  UserFiles files;
  files.passwd = "a:x:1:1::/h\rx:\n";
  EXPECT_EQ(ResolveUser(User("a"), files)->home, "/");
}

class ReadFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = open(dir_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    ASSERT_GE(root_, 0);
    ASSERT_EQ(mkdirat(root_, "etc", 0755), 0);
  }
  void TearDown() override { close(root_); }

  sys::testing::TempDir dir_;
  int root_ = -1;
};

TEST_F(ReadFiles, MissingFilesAreEmpty) {
  UserFiles files = *ReadUserFiles(root_);
  EXPECT_EQ(files.passwd, "");
  EXPECT_EQ(files.group, "");
}

TEST_F(ReadFiles, ASymlinkStaysInsideTheRoot) {
  ASSERT_EQ(symlinkat("/outside", root_, "etc/passwd"), 0);
  EXPECT_EQ(ReadUserFiles(root_)->passwd, "");
  int fd = openat(root_, "outside", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  ASSERT_EQ(write(fd, "a:x:1:1:::\n", 11), 11);
  close(fd);
  EXPECT_EQ(ReadUserFiles(root_)->passwd, "a:x:1:1:::\n");
}

TEST_F(ReadFiles, AFifoOrDirectoryIsRefusedAtOnce) {
  ASSERT_EQ(mkfifoat(root_, "etc/passwd", 0644), 0);
  EXPECT_EQ(ReadUserFiles(root_).status().code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(unlinkat(root_, "etc/passwd", 0), 0);
  ASSERT_EQ(mkdirat(root_, "etc/passwd", 0755), 0);
  EXPECT_EQ(ReadUserFiles(root_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(ReadFiles, ASparseGiantIsRefused) {
  int fd = openat(root_, "etc/group", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  ASSERT_EQ(ftruncate(fd, int64_t{5} << 30), 0);
  close(fd);
  EXPECT_EQ(ReadUserFiles(root_).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace gantry::init
