#include "runtime/image/fsck.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/digest.h"
#include "runtime/image/importer.h"
#include "runtime/image/testing/sample_image.h"
#include "runtime/image/testing/tar_builder.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using Kind = FsckFinding::Kind;

constexpr char kName[] = "docker.io/library/app:v1";

class FsckTest : public ::testing::Test {
 protected:
  FsckTest()
      : sample_(MakeImage({TarBuilder()
                               .Dir("./")
                               .Dir("etc")
                               .File("etc/a", "lower")
                               .HardLink("etc/b", "etc/a")
                               .Symlink("etc/link", "a")
                               .File("etc/.wh.gone", "")
                               .File("implied/f", "x")
                               .Done(),
                           TarBuilder().File("top", "upper").Done()})) {}

  void SetUp() override {
    auto store = ImageStore::Open(dir_.fd(), nullptr);
    ASSERT_OK(store);
    store_ = *std::move(store);
    Load();
  }
  void Load() {
    const std::string archive = TarOf(LayoutFiles(
        {sample_},
        IndexJson({DescriptorJson(
            kOciManifestType, sample_.manifest,
            R"(,"annotations":{"org.opencontainers.image.ref.name":"app:v1"})")})));
    auto fd =
        sys::OpenAt(files_.fd(), "archive", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ASSERT_OK(fd);
    ASSERT_OK(sys::WriteAll(fd->get(), archive));
    ASSERT_OK(ImportPath(files_.path() + "/archive", store_.get(), {}));
  }
  std::vector<FsckFinding> Check(bool repair = false,
                                 const LayerInUse& in_use = nullptr) {
    std::vector<FsckFinding> findings;
    absl::StatusOr<FsckResult> result =
        Fsck(store_.get(), {.repair = repair,
                            .in_use = in_use,
                            .found = [&](const FsckFinding& finding) {
                              findings.push_back(finding);
                              return absl::OkStatus();
                            }});
    EXPECT_OK(result);
    return findings;
  }
  std::string Layer(int i) const {
    return DigestOf(sample_.tars[i]).ToString();
  }
  // A path in the bottom layer.
  std::string InLayer(const std::string& path) const {
    return absl::StrCat(
        dir_.path(), "/layers/",
        store_->layers().Find(DigestOf(sample_.tars[0]))->LowerDir(), "/",
        path);
  }

  const SampleImage sample_;
  sys::testing::TempDir dir_;
  sys::testing::TempDir files_;
  std::unique_ptr<ImageStore> store_;
};

// With a directory that has no entry, whose time is that of its making.
TEST_F(FsckTest, SoundStoreHasNoFindings) {
  EXPECT_THAT(Check(), IsEmpty());
  EXPECT_THAT(Check(true), IsEmpty());
  EXPECT_THAT(*sys::ListDirAt(store_->layers().dir_fd(), "."), SizeIs(2));
}

TEST_F(FsckTest, EveryChangeOfALayerIsFoundAndMended) {
  const std::string a = InLayer("etc/a");
  const std::vector<std::pair<std::string, std::function<void()>>> changes = {
      {"content",
       [&] {
         struct stat before;
         ASSERT_EQ(stat(a.c_str(), &before), 0);
         ASSERT_OK(sys::WriteFileAt(AT_FDCWD, InLayer("etc/a"), "l0wer"));
         const timespec times[2] = {before.st_mtim, before.st_mtim};
         utimensat(AT_FDCWD, a.c_str(), times, 0);
       }},
      {"mode", [&] { chmod(InLayer("etc/a").c_str(), 0600); }},
      {"owner", [&] { (void)!chown(InLayer("etc").c_str(), 3, 4); }},
      {"extended attributes",
       [&] { setxattr(InLayer("etc").c_str(), "trusted.x", "y", 1, 0); }},
      {"is missing", [&] { unlink(InLayer("etc/gone").c_str()); }},
      {"is not of the layer", [&] { mkdir(InLayer("more").c_str(), 0755); }},
      {"target",
       [&] {
         const std::string link = InLayer("etc/link");
         struct stat before;
         ASSERT_EQ(lstat(link.c_str(), &before), 0);
         unlink(link.c_str());
         ASSERT_EQ(symlink("b", link.c_str()), 0);
         const timespec times[2] = {before.st_mtim, before.st_mtim};
         utimensat(AT_FDCWD, link.c_str(), times, AT_SYMLINK_NOFOLLOW);
       }},
      {"is missing", [&] { unlink(InLayer("etc/b").c_str()); }},
      {"hard links",
       [&] {
         // Two files of the same content in place of one.
         const std::string b = InLayer("etc/b");
         ASSERT_EQ(link(b.c_str(), InLayer("../spare").c_str()), 0);
         unlink(b.c_str());
         auto fd = sys::OpenAt(AT_FDCWD, b, O_WRONLY | O_CREAT, 0644);
         ASSERT_OK(fd);
         ASSERT_OK(sys::WriteAll(fd->get(), "lower"));
         ASSERT_EQ(link(b.c_str(), InLayer("../spare2").c_str()), 0);
         const timespec times[2] = {{1'600'000'000, 0}, {1'600'000'000, 0}};
         utimensat(AT_FDCWD, b.c_str(), times, 0);
       }},
      {"time",
       [&] {
         const timespec times[2] = {{1, 0}, {1, 0}};
         utimensat(AT_FDCWD, InLayer("etc/a").c_str(), times, 0);
       }},
      {"/etc: time",
       [&] {
         const timespec times[2] = {{1, 0}, {1, 0}};
         utimensat(AT_FDCWD, InLayer("etc").c_str(), times, 0);
       }},
      {"/: time",
       [&] {
         const timespec times[2] = {{1, 0}, {1, 0}};
         utimensat(AT_FDCWD, InLayer("").c_str(), times, 0);
       }},
  };
  for (const auto& [what, change] : changes) {
    SCOPED_TRACE(what);
    change();
    for (bool repair : {false, true}) {
      const std::vector<FsckFinding> found = Check(repair);
      ASSERT_THAT(found, SizeIs(1));
      EXPECT_EQ(found[0].kind, Kind::kBadLayer);
      EXPECT_EQ(found[0].object, Layer(0));
      EXPECT_THAT(found[0].problem, HasSubstr(what));
      EXPECT_THAT(found[0].images, ElementsAre(sample_.id().ToString()));
      EXPECT_EQ(found[0].repaired, repair);
    }
    EXPECT_THAT(Check(), IsEmpty());
  }
}

TEST_F(FsckTest, ContainerKeepsItsDamagedLayerOthersGetTheMendedOne) {
  chmod(InLayer("etc/a").c_str(), 0600);
  const std::string old = InLayer("etc/a");
  const LayerInUse in_use = [](const std::string& dir) {
    return dir == "1/fs";
  };
  EXPECT_THAT(Check(true, in_use), SizeIs(1));
  EXPECT_EQ(access(old.c_str(), F_OK), 0);
  EXPECT_NE(InLayer("etc/a"), old);
  EXPECT_THAT(Check(false, in_use), IsEmpty());
}

TEST_F(FsckTest, HeldLayerIsMendedByALaterRun) {
  chmod(InLayer("etc/a").c_str(), 0600);
  {
    HoldTable::Hold hold = store_->layers().Hold(DigestOf(sample_.tars[0]));
    const std::vector<FsckFinding> found = Check(true);
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_FALSE(found[0].repaired);
  }
  EXPECT_THAT(Check(true), SizeIs(1));
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(FsckTest, DamagedBlobIsRemovedAndALoadBringsItBack) {
  const Digest blob = DigestOf(sample_.blobs[1]);
  ASSERT_OK(sys::WriteFileAt(dir_.fd(), "blobs/sha256/" + blob.hex(),
                             std::string(sample_.blobs[1].size(), 'x')));
  // Nothing to compare the layer with is there.
  for (bool repair : {false, true}) {
    const std::vector<FsckFinding> found = Check(repair);
    ASSERT_THAT(found, SizeIs(2));
    EXPECT_EQ(found[0].kind, Kind::kBadBlob);
    EXPECT_EQ(found[0].object, blob.ToString());
    EXPECT_EQ(found[0].repaired, repair);
    EXPECT_EQ(found[1].kind, Kind::kUnverified);
    EXPECT_EQ(found[1].object, Layer(1));
  }
  std::vector<FsckFinding> found = Check();
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_THAT(found[0].problem, HasSubstr("is missing"));
  EXPECT_OK(store_->Resolve(kName));
  Load();
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(FsckTest, MissingLayerIsUnpackedAnewFromItsBlob) {
  ASSERT_OK(store_->layers().Retire(DigestOf(sample_.tars[0]), nullptr));
  store_.reset();
  ASSERT_OK_AND_ASSIGN(store_, ImageStore::Open(dir_.fd(), nullptr));
  EXPECT_THAT(store_->Resolve(kName), Not(IsOk()));
  EXPECT_THAT(Check(true), SizeIs(1));
  EXPECT_OK(store_->Resolve(kName));
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(FsckTest, GarbageIsToldAndCollectedUnlessHeld) {
  ASSERT_OK(store_->content().Put(DigestOf("junk"), "junk"));
  {
    HoldTable::Hold hold = store_->content().Hold(DigestOf("junk"));
    EXPECT_THAT(Check(true), IsEmpty());
  }
  for (bool repair : {false, true}) {
    const std::vector<FsckFinding> found = Check(repair);
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].kind, Kind::kUnused);
    EXPECT_EQ(found[0].repaired, repair);
  }
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(FsckTest, CancelledEndsAndLeavesNothing) {
  EXPECT_THAT(
      Fsck(store_.get(),
           {.found = [](const FsckFinding&) { return absl::OkStatus(); },
            .cancelled = [] { return true; }}),
      StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(*sys::ListDirAt(store_->layers().dir_fd(), "."), SizeIs(2));
}

}  // namespace
}  // namespace gantry::image
