#include "runtime/sys/in_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using testing::Dir;
using testing::FakeTree;
using testing::File;
using ::testing::IsEmpty;
using testing::Symlink;

int ErrorOf(const absl::StatusOr<UniqueFd>& fd) { return ErrnoOf(fd.status()); }

std::string ContentOf(const absl::StatusOr<UniqueFd>& fd) {
  if (!fd.ok()) return fd.status().ToString();
  return ReadFd(fd->get()).value_or("unreadable");
}

TEST(InRoot, SymlinkOutOfTheRootIsFollowedInside) {
  FakeTree tree({Dir("root", {Dir("etc", {File("passwd", "inside")}),
                              Symlink("abs", "/etc/passwd"),
                              Symlink("up", "../../../../etc/passwd")})});
  ASSERT_OK_AND_ASSIGN(UniqueFd root, OpenAt(tree.fd(), "root", O_PATH));
  for (const char* path :
       {"etc/passwd", "/etc/passwd", "abs", "up", "../../etc/passwd"}) {
    EXPECT_EQ(ContentOf(OpenInRoot(root.get(), path, O_RDONLY)), "inside")
        << path;
  }
}

TEST(InRoot, MagicLinksAreRefused) {
  ASSERT_OK_AND_ASSIGN(UniqueFd proc, OpenAt(AT_FDCWD, "/proc", O_PATH));
  EXPECT_EQ(ErrorOf(OpenInRoot(proc.get(), "self/root", O_PATH)), ELOOP);
  EXPECT_EQ(ErrorOf(OpenBeneath(proc.get(), "self/cwd", O_PATH, 0,
                                Symlinks::kFollow)),
            ELOOP);
  EXPECT_OK(OpenInRoot(proc.get(), "self/stat", O_RDONLY));
}

TEST(InRoot, ModeIsIgnoredUnlessAFileIsMade) {
  FakeTree tree({File("a", "x")});
  EXPECT_OK(OpenInRoot(tree.fd(), "a", O_RDONLY, 0644));
  ASSERT_OK(OpenInRoot(tree.fd(), "new", O_WRONLY | O_CREAT, 0640));
  ASSERT_OK_AND_ASSIGN(struct stat info, StatAt(tree.fd(), "new"));
  EXPECT_EQ(info.st_mode & 0777, 0640);
}

TEST(InRoot, BeneathRefusesEveryStepOut) {
  FakeTree tree({Dir("d", {File("in", "in"), Symlink("good", "in"),
                           Symlink("bad", "../out"), Symlink("abs", "/etc")}),
                 File("out", "out")});
  ASSERT_OK_AND_ASSIGN(UniqueFd d, OpenAt(tree.fd(), "d", O_PATH));
  const auto follow = [&](const char* path) {
    return OpenBeneath(d.get(), path, O_RDONLY, 0, Symlinks::kFollow);
  };
  EXPECT_EQ(ContentOf(follow("good")), "in");
  EXPECT_EQ(ContentOf(follow("./../d/in")),
            follow("./../d/in").status().ToString());
  for (const char* path : {"bad", "abs", "../out", "/etc", "../d/in"}) {
    EXPECT_EQ(ErrorOf(follow(path)), EXDEV) << path;
  }
  EXPECT_EQ(ErrorOf(OpenBeneath(d.get(), "good", O_RDONLY)), ELOOP);
  EXPECT_EQ(ContentOf(OpenBeneath(d.get(), "in", O_RDONLY)), "in");
}

TEST(InRoot, MkdirAllMakesWhatIsMissingAndGivesTheLast) {
  FakeTree tree({Dir("root", {Dir("a")})});
  ASSERT_OK_AND_ASSIGN(UniqueFd root, OpenAt(tree.fd(), "root", O_PATH));
  ASSERT_OK_AND_ASSIGN(UniqueFd last,
                       MkdirAllInRoot(root.get(), "/a//b/./c/", 0750));
  ASSERT_OK_AND_ASSIGN(struct stat made, StatAt(tree.fd(), "root/a/b/c"));
  ASSERT_OK_AND_ASSIGN(struct stat given, StatFd(last.get()));
  EXPECT_EQ(made.st_ino, given.st_ino);
  EXPECT_EQ(made.st_mode & 07777, 0750);
  EXPECT_OK(MkdirAllInRoot(root.get(), "a/b/c", 0700));
  EXPECT_OK(MkdirAllInRoot(root.get(), "/", 0700));
  EXPECT_OK(MkdirAllInRoot(root.get(), "", 0700));
}

TEST(InRoot, MkdirAllStaysInsideThroughSymlinksAndDotDot) {
  FakeTree tree(
      {Dir("root", {Dir("var", {Symlink("run", "/run"),
                                Symlink("far", "../../../../../opt/x")})}),
       Dir("run")});
  ASSERT_OK_AND_ASSIGN(UniqueFd root, OpenAt(tree.fd(), "root", O_PATH));
  // The links dangle: their targets are made, inside.
  EXPECT_OK(MkdirAllInRoot(root.get(), "var/run/secrets", 0755));
  EXPECT_TRUE(tree.Exists("root/run/secrets"));
  EXPECT_OK(MkdirAllInRoot(root.get(), "var/far/y", 0755));
  EXPECT_TRUE(tree.Exists("root/opt/x/y"));
  EXPECT_OK(MkdirAllInRoot(root.get(), "new/../../../z", 0755));
  EXPECT_TRUE(tree.Exists("root/z"));
  EXPECT_FALSE(tree.Exists("z"));
  EXPECT_THAT(ListDirAt(tree.fd(), "run"), IsOkAndHolds(IsEmpty()));
}

TEST(InRoot, MkdirAllRefusesLoopsAndFilesOnTheWay) {
  FakeTree tree({Symlink("a", "b"), Symlink("b", "a"), File("file"),
                 Symlink("self", "self/x")});
  EXPECT_EQ(ErrorOf(MkdirAllInRoot(tree.fd(), "a/x", 0755)), ELOOP);
  EXPECT_EQ(ErrorOf(MkdirAllInRoot(tree.fd(), "self", 0755)), ELOOP);
  EXPECT_EQ(ErrorOf(MkdirAllInRoot(tree.fd(), "file", 0755)), ENOTDIR);
  EXPECT_EQ(ErrorOf(MkdirAllInRoot(tree.fd(), "file/x", 0755)), ENOTDIR);
  EXPECT_EQ(ErrorOf(MkdirAllInRoot(tree.fd(), "no/../file/x", 0755)), ENOTDIR);
  EXPECT_THAT(MkdirAllInRoot(tree.fd(), std::string("a\0b", 3), 0755),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(InRoot, CreateFileMakesItAndKeepsWhatIsThere) {
  FakeTree tree({File("there", "content"), Dir("dir"), Dir("root"),
                 Symlink("dangling", "/made/here")});
  EXPECT_OK(CreateFileInRoot(tree.fd(), "etc/deep/hosts", 0644));
  EXPECT_EQ(tree.Read("etc/deep/hosts"), "");
  EXPECT_OK(CreateFileInRoot(tree.fd(), "there", 0644));
  EXPECT_EQ(tree.Read("there"), "content");
  EXPECT_OK(CreateFileInRoot(tree.fd(), "dangling", 0644));
  EXPECT_TRUE(tree.Exists("made/here"));
  EXPECT_EQ(ErrorOf(CreateFileInRoot(tree.fd(), "dir", 0644)), EISDIR);
  EXPECT_EQ(ErrorOf(CreateFileInRoot(tree.fd(), "x/..", 0644)), EISDIR);
}

TEST(InRoot, CreateFileDoesNotOpenAFifo) {
  FakeTree tree;
  ASSERT_EQ(mkfifoat(tree.fd(), "fifo", 0600), 0);
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, CreateFileInRoot(tree.fd(), "fifo", 0644));
  EXPECT_NE(fcntl(fd.get(), F_GETFL) & O_PATH, 0);
}

// The shape of CVE-2021-30465 and CVE-2024-45310: a directory on the way is
// swapped for a symlink that leads out while the path is walked.
TEST(InRoot, NothingIsMadeOutsideWhileADirectoryIsSwappedForASymlink) {
  FakeTree tree({Dir("out"), Dir("root", {Dir("a")})});
  ASSERT_OK(SymlinkAt(tree.path() + "/out", tree.fd(), "root/swap"));
  ASSERT_OK_AND_ASSIGN(UniqueFd root, OpenAt(tree.fd(), "root", O_PATH));
  std::atomic<bool> done = false;
  std::thread attacker([&] {
    while (!done) {
      renameat2(root.get(), "a", root.get(), "swap", RENAME_EXCHANGE);
    }
  });
  int made = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string path = "a/d" + std::to_string(i % 100);
    made += MkdirAllInRoot(root.get(), path + "/e", 0755).ok();
    made += CreateFileInRoot(root.get(), path + "/f", 0644).ok();
    if (i % 100 == 99) RemoveTreeAt(root.get(), "d0").IgnoreError();
  }
  done = true;
  attacker.join();
  EXPECT_GT(made, 0);
  EXPECT_THAT(ListDirAt(tree.fd(), "out"), IsOkAndHolds(IsEmpty()));
}

}  // namespace
}  // namespace gantry::sys
