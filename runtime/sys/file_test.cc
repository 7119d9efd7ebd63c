#include "runtime/sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing::TempDir;

void Put(int dirfd, const std::string& path, const std::string& content = "") {
  ASSERT_OK_AND_ASSIGN(UniqueFd fd,
                       OpenAt(dirfd, path, O_WRONLY | O_CREAT, 0600));
  ASSERT_OK(WriteAll(fd.get(), content));
}

TEST(File, OpenIsCloseOnExecAndNamesThePathInItsError) {
  TempDir dir;
  Put(dir.fd(), "a");
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, OpenAt(dir.fd(), "a", O_RDONLY));
  EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  ASSERT_OK_AND_ASSIGN(UniqueFd copy, Duplicate(fd.get()));
  EXPECT_EQ(fcntl(copy.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_THAT(OpenAt(dir.fd(), "none", O_RDONLY),
              StatusIs(absl::StatusCode::kNotFound,
                       "open none: ENOENT: No such file or directory"));
}

TEST(File, PathWithNulIsRefusedRatherThanCut) {
  TempDir dir;
  Put(dir.fd(), "a");
  const std::string path("a\0b", 3);
  EXPECT_THAT(OpenAt(dir.fd(), path, O_RDONLY),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("NUL in the path")));
  EXPECT_THAT(UnlinkAt(dir.fd(), path),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_FALSE(ExistsAt(dir.fd(), path));
  EXPECT_THAT(MkdirAt(dir.fd(), path, 0700),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(File, ReadIsNeverCutSilently) {
  TempDir dir;
  const std::string content(10'000, 'x');
  Put(dir.fd(), "a", content);
  EXPECT_THAT(ReadFileAt(dir.fd(), "a", 10'000), IsOkAndHolds(content));
  EXPECT_THAT(ReadFileAt(dir.fd(), "a", 9'999),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       "read a: more than 9999 bytes"));
  Put(dir.fd(), "empty");
  EXPECT_THAT(ReadFileAt(dir.fd(), "empty", 0), IsOkAndHolds(""));
}

TEST(File, WriteFileReplacesAnExistingFileOnly) {
  TempDir dir;
  EXPECT_THAT(WriteFileAt(dir.fd(), "a", "1"),
              StatusIs(absl::StatusCode::kNotFound));
  Put(dir.fd(), "a", "longer");
  EXPECT_OK(WriteFileAt(dir.fd(), "a", "1\n"));
  EXPECT_THAT(ReadFileAt(dir.fd(), "a"), IsOkAndHolds("1\n"));
}

TEST(File, FailedWriteShowsWhatWasWrittenAndWhere) {
  EXPECT_THAT(WriteFileAt(AT_FDCWD, "/dev/full", "42\n"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("write \"42\\n\" to /dev/full: ENOSPC")));
}

TEST(File, MkdirAllMakesWhatIsMissingAndAcceptsWhatIsThere) {
  TempDir dir;
  EXPECT_OK(MkdirAllAt(dir.fd(), "a/b//c/", 0700));
  EXPECT_OK(MkdirAllAt(dir.fd(), "a/b/c", 0700));
  EXPECT_OK(SymlinkAt("b", dir.fd(), "a/link"));
  EXPECT_OK(MkdirAllAt(dir.fd(), "a/link/d/e", 0700));
  EXPECT_TRUE(ExistsAt(dir.fd(), "a/b/d/e"));
  EXPECT_OK(MkdirAllAt(AT_FDCWD, dir.path() + "/x/y", 0750));
  ASSERT_OK_AND_ASSIGN(struct stat info, StatAt(dir.fd(), "x/y"));
  EXPECT_EQ(info.st_mode & 07777, 0750);
}

TEST(File, MkdirAllNamesTheFileInTheWay) {
  TempDir dir;
  Put(dir.fd(), "file");
  EXPECT_THAT(
      MkdirAllAt(dir.fd(), "file/a/b", 0700),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("ENOTDIR")));
  EXPECT_THAT(MkdirAllAt(dir.fd(), "file", 0700),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(MkdirAllAt(dir.fd(), "", 0700),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(File, UnlinkOfMissingIsOkAndRmdirOfMissingIsNot) {
  TempDir dir;
  EXPECT_OK(UnlinkAt(dir.fd(), "none"));
  EXPECT_THAT(RmdirAt(dir.fd(), "none"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(MkdirAt(dir.fd(), "d", 0700));
  Put(dir.fd(), "d/a");
  EXPECT_THAT(RmdirAt(dir.fd(), "d"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_OK(UnlinkAt(dir.fd(), "d/a"));
  EXPECT_OK(RmdirAt(dir.fd(), "d"));
}

TEST(File, ListGivesAllEntriesOfAManyBatchesDirectory) {
  TempDir dir;
  for (int i = 0; i < 3000; ++i) Put(dir.fd(), absl::StrCat("file-", i));
  ASSERT_OK(SymlinkAt("gone", dir.fd(), "link"));
  ASSERT_OK_AND_ASSIGN(std::vector<DirEntry> entries, ListDirAt(dir.fd(), "."));
  EXPECT_THAT(entries, SizeIs(3001));
  for (const DirEntry& entry : entries) {
    EXPECT_EQ(entry.type, entry.name == "link" ? DT_LNK : DT_REG);
  }
}

TEST(File, LinksAndRenames) {
  TempDir dir;
  ASSERT_OK(SymlinkAt("/target", dir.fd(), "link"));
  EXPECT_THAT(ReadlinkAt(dir.fd(), "link"), IsOkAndHolds("/target"));
  EXPECT_TRUE(ExistsAt(dir.fd(), "link"));
  ASSERT_OK(RenameAt(dir.fd(), "link", dir.fd(), "other"));
  EXPECT_FALSE(ExistsAt(dir.fd(), "link"));
  EXPECT_OK(FsyncFd(dir.fd(), "the directory"));
}

TEST(RemoveTree, MissingIsOkAndAFileGoes) {
  TempDir dir;
  EXPECT_OK(RemoveTreeAt(dir.fd(), "none"));
  Put(dir.fd(), "file");
  EXPECT_OK(RemoveTreeAt(dir.fd(), "file"));
  EXPECT_FALSE(ExistsAt(dir.fd(), "file"));
}

TEST(RemoveTree, OnlyOneComponentIsTaken) {
  TempDir dir;
  for (const char* name : {"", ".", "..", "a/b", "/tmp", "../x"}) {
    EXPECT_THAT(RemoveTreeAt(dir.fd(), name),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
}

TEST(RemoveTree, SymlinksAreRemovedAndNeverFollowed) {
  TempDir dir;
  TempDir outside;
  Put(outside.fd(), "marker", "here");
  ASSERT_OK(MkdirAllAt(dir.fd(), "t/a/b", 0700));
  ASSERT_OK(SymlinkAt(outside.path(), dir.fd(), "t/a/out"));
  ASSERT_OK(SymlinkAt("/", dir.fd(), "t/a/b/root"));
  ASSERT_OK(SymlinkAt("..", dir.fd(), "t/up"));
  EXPECT_OK(RemoveTreeAt(dir.fd(), "t"));
  EXPECT_FALSE(ExistsAt(dir.fd(), "t"));
  EXPECT_THAT(ReadFileAt(outside.fd(), "marker"), IsOkAndHolds("here"));
  // The top itself may be a symlink.
  ASSERT_OK(SymlinkAt(outside.path(), dir.fd(), "top"));
  EXPECT_OK(RemoveTreeAt(dir.fd(), "top"));
  EXPECT_TRUE(ExistsAt(outside.fd(), "marker"));
}

TEST(RemoveTree, WideTreeGoesWhole) {
  TempDir dir;
  for (int i = 0; i < 40; ++i) {
    const std::string sub = absl::StrCat("t/", i, "/sub");
    ASSERT_OK(MkdirAllAt(dir.fd(), sub, 0700));
    for (int j = 0; j < 20; ++j) Put(dir.fd(), absl::StrCat(sub, "/", j));
    ASSERT_OK(MkdirAt(dir.fd(), sub + "/locked", 0000));
  }
  EXPECT_OK(RemoveTreeAt(dir.fd(), "t"));
  EXPECT_FALSE(ExistsAt(dir.fd(), "t"));
}

TEST(RemoveTree, DepthExhaustsNeitherDescriptorsNorPathLength) {
  TempDir dir;
  constexpr int kDepth = 1000;  // 8 bytes each: twice PATH_MAX
  ASSERT_OK(MkdirAt(dir.fd(), "t", 0700));
  ASSERT_OK_AND_ASSIGN(UniqueFd at, OpenAt(dir.fd(), "t", O_RDONLY));
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_OK(MkdirAt(at.get(), "deepdir", 0700));
    Put(at.get(), "file");
    ASSERT_OK_AND_ASSIGN(at, OpenAt(at.get(), "deepdir", O_RDONLY));
  }
  at.Reset();
  struct rlimit old, few;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  few = old;
  few.rlim_cur = 32;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const absl::Status removed = RemoveTreeAt(dir.fd(), "t");
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_OK(removed);
  EXPECT_FALSE(ExistsAt(dir.fd(), "t"));
}

TEST(RemoveTree, TwoMayRemoveTheSameTree) {
  TempDir dir;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) {
      ASSERT_OK(MkdirAllAt(dir.fd(), absl::StrCat("t/", i % 10, "/", i), 0700));
      Put(dir.fd(), absl::StrCat("t/", i % 10, "/", i, "/f"));
    }
    absl::Status other;
    std::thread thread([&] { other = RemoveTreeAt(dir.fd(), "t"); });
    EXPECT_OK(RemoveTreeAt(dir.fd(), "t"));
    thread.join();
    EXPECT_OK(other);
    EXPECT_FALSE(ExistsAt(dir.fd(), "t"));
  }
}

}  // namespace
}  // namespace gantry::sys
