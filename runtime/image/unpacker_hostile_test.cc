// Layers that nobody should make.

#include <fcntl.h>
#include <sys/stat.h>

#include <initializer_list>
#include <string>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/digest.h"
#include "runtime/image/testing/compress.h"
#include "runtime/image/testing/tar_builder.h"
#include "runtime/image/testing/unpacker_case.h"
#include "runtime/image/unpacker.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

// Fails without the refusals of ParseLayerPath (layer_path_test has each), and
// of other kinds of top directory in ApplyRoot.
TEST_F(UnpackerTest, NamesThatLeadOutAreRefused) {
  const std::string outside = Outside();
  for (const std::string& tar : std::initializer_list<std::string>{
           TarBuilder().File("../outside/new", "x").Done(),
           TarBuilder().File("a/../../outside/new", "x").Done(),
           TarBuilder().Dir("..").Done(),
           TarBuilder().File("../outside/.wh.marker", "").Done(),
           TarBuilder().File(".wh...", "").Done(),
           TarBuilder().File(".wh.", "").Done(),
           TarBuilder().HardLink("h", "../outside/marker").Done(),
           TarBuilder().HardLink("h", outside + "/marker").Done(),
           TarBuilder().HardLink("h", "").Done(),
           TarBuilder().Symlink("/", outside).Done(),
           TarBuilder().Symlink("./", outside).Done(),
           TarBuilder().File(".", "x").Done(),
       }) {
    EXPECT_FALSE(Unpack(tar).ok());
  }
}

// The classic: a link out, then an entry below it (CVE-2025-47290 and kin).
// The link is followed as inside the layer, where its target is not. Fails with
// OpenAt in Parent, and with a link that Directory takes for one.
TEST_F(UnpackerTest, LinksOutAreFollowedInsideOnly) {
  const std::string outside = Outside();
  const std::string up = "../outside";
  for (const std::string& target : std::initializer_list<std::string>{
           outside, up, "../../../../../.." + outside}) {
    StringSource source(TarBuilder()
                            .Symlink("l", target)
                            .File("l/marker", "overwritten")
                            .File("l/.wh.marker", "")
                            .Dir("l/dir")
                            .Done());
    UnpackLayer(&source, layer_.get()).status().IgnoreError();
    ASSERT_OK(sys::RemoveTreeAt(layer_.get(), "l"));
  }
  // Metadata of a directory entry over a link must not reach its target.
  ASSERT_OK(Unpack(TarBuilder()
                       .Symlink("m", outside + "/marker")
                       .File("m", "x", {.mode = 0777})
                       .Symlink("n", outside)
                       .Dir("n", {.mode = 0777})
                       .Done()));
  EXPECT_EQ(Content("m"), "x");
  EXPECT_TRUE(S_ISDIR(Stat("n").st_mode));
}

// Fails with AT_SYMLINK_FOLLOW in LinkNode.
TEST_F(UnpackerTest, HardLinkToASymlinkLinksTheLinkItself) {
  ASSERT_OK(Unpack(TarBuilder()
                       .Symlink("s", Outside() + "/marker")
                       .HardLink("h", "s")
                       .File("after", "x", {.mode = 0777})
                       .Done()));
  EXPECT_TRUE(S_ISLNK(Stat("h").st_mode));
  EXPECT_EQ(Stat("h").st_ino, Stat("s").st_ino);
}

// Fails with all attributes wanted by IsWantedXattr.
TEST_F(UnpackerTest, OverlayAttributesOfTheImageAreDropped) {
  ASSERT_OK(Unpack(
      TarBuilder()
          .Dir("d", {.mode = 0755,
                     .pax = {{"SCHILY.xattr.trusted.overlay.opaque", "y"},
                             {"SCHILY.xattr.trusted.overlay.redirect", "/x"},
                             {"SCHILY.xattr.security.selinux", "evil"},
                             {"SCHILY.xattr.trusted.fine", "f"}}})
          .Done()));
  EXPECT_EQ(Xattr("d", "trusted.overlay.opaque"), "none");
  EXPECT_EQ(Xattr("d", "trusted.overlay.redirect"), "none");
  EXPECT_EQ(Xattr("d", "trusted.fine"), "f");
}

// Fails without kMaxId.
TEST_F(UnpackerTest, OwnersOutOfRangeAreRefused) {
  for (const char* uid : {"4294967295", "4294967296", "-1"}) {
    EXPECT_FALSE(
        Unpack(TarBuilder().File("f", "x", {.pax = {{"uid", uid}}}).Done())
            .ok())
        << uid;
  }
  ASSERT_OK(Unpack(
      TarBuilder().File("f", "x", {.pax = {{"uid", "4294967294"}}}).Done()));
  EXPECT_EQ(Stat("f").st_uid, 4294967294u);
}

// Fails without each of the limits.
TEST_F(UnpackerTest, LimitsEndTheUnpacking) {
  const std::string tar =
      TarBuilder().File("a", "1").File("b", "2").File("c", "3").Done();
  EXPECT_THAT(Unpack(tar, {.max_entries = 2}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Unpack(tar, {.max_file_bytes = 2}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Unpack(TarBuilder().Dir("abc").Dir("abc/de").Done(),
                     {.max_directory_name_bytes = 8}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("names of the layer's directories")));
  EXPECT_THAT(
      Unpack(
          Gzipped(TarBuilder().File("z", std::string(10'000'000, '\0')).Done()),
          {.max_tar_bytes = 1'000'000}),
      StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(UnpackerTest, ErrorNamesTheEntry) {
  EXPECT_THAT(Unpack(TarBuilder().File("a/../..\n/b", "x").Done()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("layer entry \"a/../..\\n/b\": \"..\" in the "
                                 "name")));
}

TEST_F(UnpackerTest, EntryBelowAFileIsRefused) {
  EXPECT_THAT(Unpack(TarBuilder().File("f", "x").File("f/below", "y").Done()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(UnpackerTest, EveryTruncationOfALayerIsAnErrorOrShorter) {
  const std::string tar = TarBuilder()
                              .File("a", std::string(600, 'a'))
                              .HardLink("b", "a")
                              .Dir("d", {.pax = {{"mtime", "5.5"}}})
                              .Done();
  const Digest whole = DigestOf(tar);
  for (size_t cut = 0; cut < tar.size(); cut += 101) {
    absl::StatusOr<UnpackResult> result = Unpack(tar.substr(0, cut));
    if (result.ok()) {
      EXPECT_NE(result->diff_id, whole) << cut;
    }
  }
}

}  // namespace
}  // namespace gantry::image
