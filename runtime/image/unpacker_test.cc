#include "runtime/image/unpacker.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/digest.h"
#include "runtime/image/testing/compress.h"
#include "runtime/image/testing/tar_builder.h"
#include "runtime/image/testing/unpacker_case.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;

TEST_F(UnpackerTest, MakesEveryKindWithItsMetadata) {
  const std::string tar =
      TarBuilder()
          .Dir("./", {.mode = 0711, .mtime = 1000})
          .Dir("d", {.mode = 01777, .uid = 7, .gid = 8, .mtime = 2000})
          .File("d/f", "hello",
                {.mode = 06755,
                 .uid = 100000,
                 .gid = 3,
                 .pax = {{"mtime", "3000.5"}, {"SCHILY.xattr.user.k", "v"}}})
          .Symlink("d/s", "/absolute/target")
          .HardLink("d/h", "d/f")
          .Device('3', "c", {.mode = 0620, .gid = 5, .major = 1, .minor = 3})
          .Device('4', "b", {.mode = 0600, .major = 8, .minor = 1})
          .Device('6', "p", {.mode = 0644, .mtime = 4000})
          .Done();
  ASSERT_OK_AND_ASSIGN(UnpackResult result, Unpack(Gzipped(tar)));
  EXPECT_EQ(result.diff_id, DigestOf(tar));
  EXPECT_EQ(result.entries, 8);
  EXPECT_EQ(Stat(".").st_mode, mode_t{S_IFDIR | 0711});
  EXPECT_EQ(Stat(".").st_mtim.tv_sec, 1000);
  EXPECT_EQ(Stat("d").st_mode, mode_t{S_IFDIR | 01777});
  EXPECT_EQ(Stat("d").st_uid, 7u);
  EXPECT_EQ(Stat("d").st_gid, 8u);
  // In spite of what was made in it afterwards.
  EXPECT_EQ(Stat("d").st_mtim.tv_sec, 2000);
  EXPECT_EQ(Content("d/f"), "hello");
  // set-id bits survive the change of owner
  EXPECT_EQ(Stat("d/f").st_mode, mode_t{S_IFREG | 06755});
  EXPECT_EQ(Stat("d/f").st_uid, 100000u);
  EXPECT_EQ(Stat("d/f").st_mtim.tv_sec, 3000);
  EXPECT_EQ(Stat("d/f").st_mtim.tv_nsec, 500'000'000);
  if (result.skipped_xattrs == 0) {
    EXPECT_EQ(Xattr("d/f", "user.k"), "v");
  }
  EXPECT_EQ(Stat("d/h").st_ino, Stat("d/f").st_ino);
  EXPECT_TRUE(S_ISLNK(Stat("d/s").st_mode));
  EXPECT_EQ(Stat("c").st_mode, mode_t{S_IFCHR | 0620});
  EXPECT_EQ(Stat("c").st_rdev, makedev(1, 3));
  EXPECT_EQ(Stat("c").st_gid, 5u);
  EXPECT_EQ(Stat("b").st_rdev, makedev(8, 1));
  EXPECT_EQ(Stat("p").st_mode, mode_t{S_IFIFO | 0644});
  EXPECT_EQ(Stat("p").st_mtim.tv_sec, 4000);
}

TEST_F(UnpackerTest, ImpliedDirectoriesAreRoots0755WhateverTheUmask) {
  const mode_t before = umask(077);
  absl::StatusOr<UnpackResult> result =
      Unpack(TarBuilder().File("a/b/c/f", "x").Done());
  umask(before);
  ASSERT_OK(result);
  for (absl::string_view path : {"a", "a/b", "a/b/c"}) {
    EXPECT_EQ(Stat(path).st_mode, mode_t{S_IFDIR | 0755}) << path;
    EXPECT_EQ(Stat(path).st_uid, 0u);
  }
}

TEST_F(UnpackerTest, SetGroupIdDirectoryHandsNothingDown) {
  ASSERT_OK(Unpack(TarBuilder()
                       .Dir("s", {.mode = 02755, .gid = 50})
                       .Dir("s/own", {.mode = 0700, .uid = 9, .gid = 9})
                       .File("s/implied/f", "x", {.mode = 0644})
                       .Done()));
  EXPECT_EQ(Stat("s/own").st_mode, mode_t{S_IFDIR | 0700});
  EXPECT_EQ(Stat("s").st_mode, mode_t{S_IFDIR | 02755});
  EXPECT_EQ(Stat("s/implied").st_mode, mode_t{S_IFDIR | 0755});
  EXPECT_EQ(Stat("s/implied").st_gid, 0u);
  EXPECT_EQ(Stat("s/implied/f").st_gid, 0u);
}

TEST_F(UnpackerTest, WhiteoutsInOverlaysForm) {
  ASSERT_OK(Unpack(TarBuilder()
                       .File(".wh.gone", "")
                       .File("d/.wh.also", "")
                       .Dir("o/")
                       .File("o/.wh..wh..opq", "")
                       .File("o/new", "n")
                       .File(".wh..wh.plnk", "")
                       .Done()));
  EXPECT_TRUE(IsWhiteout("gone"));
  EXPECT_TRUE(IsWhiteout("d/also"));
  EXPECT_FALSE(IsOpaque("d"));
  EXPECT_TRUE(IsOpaque("o"));
  EXPECT_EQ(Content("o/new"), "n");
  EXPECT_FALSE(sys::ExistsAt(layer_.get(), ".wh..wh.plnk"));
}

TEST_F(UnpackerTest, WhiteoutNeverHidesItsOwnLayer) {
  ASSERT_OK(Unpack(TarBuilder()
                       // before and after the file
                       .File(".wh.f1", "")
                       .File("f1", "1")
                       .File("f2", "2")
                       .File(".wh.f2", "")
                       // before and after the directory
                       .File(".wh.d1", "")
                       .Dir("d1")
                       .File("d1/x", "x")
                       .Dir("d2")
                       .File("d2/x", "x")
                       .File(".wh.d2", "")
                       // a directory that is only implied
                       .File(".wh.d3", "")
                       .File("d3/e/x", "x")
                       .Done()));
  EXPECT_EQ(Content("f1"), "1");
  EXPECT_EQ(Content("f2"), "2");
  for (const std::string d : {"d1", "d2", "d3"}) {
    EXPECT_TRUE(S_ISDIR(Stat(d).st_mode)) << d;
    EXPECT_TRUE(IsOpaque(d)) << d;
  }
  EXPECT_EQ(Content("d1/x"), "x");
  EXPECT_EQ(Content("d2/x"), "x");
  EXPECT_EQ(Content("d3/e/x"), "x");
}

TEST_F(UnpackerTest, WhiteoutBelowAFileOfTheLayerHidesNothing) {
  ASSERT_OK(Unpack(TarBuilder()
                       .File("f", "x")
                       .File("f/.wh.inside", "")
                       .File("f/.wh..wh..opq", "")
                       .Done()));
  EXPECT_EQ(Content("f"), "x");
}

// Fails without O_EXCL in RegularFile.
TEST_F(UnpackerTest, LastEntryOfANameWins) {
  ASSERT_OK(Unpack(TarBuilder()
                       .File("f", "long old content")
                       .HardLink("h", "f")
                       .File("f", "new")
                       .Dir("becomes-file/sub")
                       .File("becomes-file/sub/x", "x")
                       .File("becomes-file", "file")
                       .File("becomes-dir", "file")
                       .Dir("becomes-dir", {.mode = 0700})
                       .Symlink("becomes-node", "/etc/passwd")
                       .Device('6', "becomes-node", {.mode = 0600})
                       .Dir("twice", {.mode = 0700})
                       .File("twice/kept", "k")
                       .Dir("twice", {.mode = 0711})
                       .Done()));
  EXPECT_EQ(Content("f"), "new");
  // The other name of the old file is not written through.
  EXPECT_EQ(Content("h"), "long old content");
  EXPECT_EQ(Content("becomes-file"), "file");
  EXPECT_TRUE(S_ISDIR(Stat("becomes-dir").st_mode));
  EXPECT_TRUE(S_ISFIFO(Stat("becomes-node").st_mode));
  EXPECT_EQ(Stat("twice").st_mode, mode_t{S_IFDIR | 0711});
  EXPECT_EQ(Content("twice/kept"), "k");
}

TEST_F(UnpackerTest, ReplacedDirectoryIsNotWrittenToThroughTheCache) {
  ASSERT_OK(Unpack(TarBuilder()
                       .File("d/a", "a")
                       .File("d", "now a file")
                       .Dir("d")
                       .File("d/b", "b")
                       .Done()));
  EXPECT_FALSE(sys::ExistsAt(layer_.get(), "d/a"));
  EXPECT_EQ(Content("d/b"), "b");
}

TEST_F(UnpackerTest, SparseFilesKeepTheirHoles) {
  const std::string map = "1\n10000000\n3\n";
  ASSERT_OK(Unpack(TarBuilder()
                       .File("GNUSparseFile.0/s",
                             map + std::string(512 - map.size(), '\0') + "end",
                             {.pax = {{"GNU.sparse.major", "1"},
                                      {"GNU.sparse.minor", "0"},
                                      {"GNU.sparse.name", "s"},
                                      {"GNU.sparse.realsize", "20000000"}}})
                       .Done()));
  EXPECT_EQ(Stat("s").st_size, 20'000'000);
  EXPECT_LT(Stat("s").st_blocks * 512, 1'000'000);
}

TEST_F(UnpackerTest, ParentLinkInsideTheLayerIsFollowed) {
  ASSERT_OK(Unpack(TarBuilder()
                       .Dir("usr/lib")
                       .Symlink("lib", "/usr/lib")
                       .File("lib/f", "x")
                       .Done()));
  EXPECT_EQ(Content("usr/lib/f"), "x");
  EXPECT_TRUE(S_ISLNK(Stat("lib").st_mode));
}

TEST_F(UnpackerTest, ParentLinkMayComeBeforeWhatItLeadsTo) {
  ASSERT_OK(Unpack(TarBuilder()
                       .Symlink("bin", "usr/bin")
                       .File("bin/sh", "#")
                       .Dir("usr", {.mode = 0711})
                       .Symlink("out", Outside())
                       .File("out/marker", "x")
                       .Done()));
  EXPECT_TRUE(S_ISLNK(Stat("bin").st_mode));
  EXPECT_EQ(Content("usr/bin/sh"), "#");
  EXPECT_EQ(Stat("usr").st_mode, mode_t{S_IFDIR | 0711});
  // Inside the layer; TearDown looks at the one outside.
  EXPECT_EQ(Content(Outside().substr(1) + "/marker"), "x");
}

TEST_F(UnpackerTest, HardLinkToItselfChangesNothing) {
  ASSERT_OK(
      Unpack(TarBuilder().File("f", "kept").HardLink("./f", "/f").Done()));
  EXPECT_EQ(Content("f"), "kept");
}

TEST_F(UnpackerTest, FileCapabilitiesSurviveTheChangeOfOwner) {
  // VFS_CAP_REVISION_2 with CAP_NET_RAW permitted and effective.
  const std::string caps("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  ASSERT_OK(
      Unpack(TarBuilder()
                 .File("ping", "#",
                       {.mode = 0755,
                        .uid = 5,
                        .pax = {{"SCHILY.xattr.security.capability", caps}}})
                 .Done()));
  EXPECT_EQ(Xattr("ping", "security.capability").substr(0, 4),
            caps.substr(0, 4));
}

TEST_F(UnpackerTest, CancelEndsTheUnpacking) {
  StringSource source(TarBuilder().File("f", "x").Done());
  EXPECT_THAT(
      UnpackLayer(&source, layer_.get(), {.cancelled = [] { return true; }}),
      StatusIs(absl::StatusCode::kCancelled));
}

// Gives its bytes, then waits to be told that nobody wants more.
class WaitingSource : public ByteSource {
 public:
  explicit WaitingSource(std::string data) : data_(std::move(data)) {}
  absl::StatusOr<absl::string_view> Next() override {
    if (!given_) {
      given_ = true;
      return absl::string_view(data_);
    }
    abandoned.WaitForNotification();
    return absl::CancelledError("abandoned");
  }
  absl::Notification abandoned;

 private:
  const std::string data_;
  bool given_ = false;
};

TEST_F(UnpackerTest, ReadsOnAThreadOfItsOwnIfItMay) {
  std::thread beside;
  UnpackOptions options;
  options.run_aside = [&](std::function<void()> work) {
    beside = std::thread(std::move(work));
  };
  const std::string tar =
      TarBuilder().File("f", std::string(5 << 20, 'f')).Done();
  StringSource source(Gzipped(tar));
  ASSERT_OK_AND_ASSIGN(UnpackResult result,
                       UnpackLayer(&source, layer_.get(), options));
  beside.join();
  EXPECT_EQ(result.diff_id, DigestOf(tar));
  EXPECT_EQ(result.tar_bytes, tar.size());
  EXPECT_EQ(Stat("f").st_size, 5 << 20);

  // A hostile entry ends it, though the rest of the layer never comes.
  WaitingSource waiting(TarBuilder().File("../f", "x").Open() +
                        std::string(3 << 20, '\0'));
  options.abandon = [&] { waiting.abandoned.Notify(); };
  EXPECT_THAT(UnpackLayer(&waiting, layer_.get(), options),
              StatusIs(absl::StatusCode::kInvalidArgument));
  beside.join();
}

}  // namespace
}  // namespace gantry::image
