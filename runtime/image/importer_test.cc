#include "runtime/image/importer.h"

#include <sys/stat.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/digest.h"
#include "runtime/image/image_store.h"
#include "runtime/image/testing/compress.h"
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

using Files = std::map<std::string, std::string>;

class ImporterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = ImageStore::Open(store_dir_.fd(), nullptr);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }

  void Write(int dirfd, const std::string& path, absl::string_view data) {
    if (size_t slash = path.rfind('/'); slash != std::string::npos) {
      ASSERT_OK(sys::MkdirAllAt(dirfd, path.substr(0, slash), 0755));
    }
    auto fd = sys::OpenAt(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_OK(fd);
    ASSERT_OK(sys::WriteAll(fd->get(), data));
  }
  absl::StatusOr<std::vector<ImportedImage>> Load(
      const std::string& archive, const ImportOptions& options = {}) {
    Write(files_.fd(), "archive", archive);
    return ImportPath(files_.path() + "/archive", store_.get(), options);
  }
  // That nothing of a refused archive stays, but for garbage in no record.
  void ExpectNothingLeft() {
    EXPECT_THAT(store_->List(), IsEmpty());
    ASSERT_OK(store_->CollectGarbage(nullptr));
    EXPECT_THAT(store_->layers().List(), IsEmpty());
    EXPECT_THAT(*store_->content().List(), IsEmpty());
    EXPECT_THAT(*sys::ListDirAt(store_dir_.fd(), "ingest"), IsEmpty());
    EXPECT_THAT(*sys::ListDirAt(store_dir_.fd(), "layers"), IsEmpty());
  }
  std::string Named(const SampleImage& image, absl::string_view more) {
    return IndexJson({DescriptorJson(kOciManifestType, image.manifest, more)});
  }
  std::string InLayer(const record::ImageRecord& image, int i,
                      const std::string& path) {
    auto lowers = store_->LowersOf(image);
    if (!lowers.ok()) return std::string(lowers.status().message());
    return *sys::ReadFileAt(store_->layers().dir_fd(),
                            lowers->dirs.at(i) + "/" + path);
  }

  sys::testing::TempDir store_dir_;
  sys::testing::TempDir files_;
  std::unique_ptr<ImageStore> store_;
};

constexpr char kRefName[] =
    R"(,"annotations":{"org.opencontainers.image.ref.name":"app:v1"})";

TEST_F(ImporterTest, LoadsAnOciLayoutDirectory) {
  const SampleImage sample = TwoLayers();
  for (const auto& [name, data] :
       LayoutFiles({sample}, Named(sample, kRefName))) {
    Write(files_.fd(), name, data);
  }
  ASSERT_OK_AND_ASSIGN(auto images,
                       ImportPath(files_.path(), store_.get(), {}));
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_EQ(images[0].id, sample.id().ToString());
  EXPECT_THAT(images[0].names, ElementsAre("docker.io/library/app:v1"));
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image, store_->Resolve("app:v1"));
  EXPECT_EQ(image.config().user(), "7");
  EXPECT_EQ(image.manifest_digest(), DigestOf(sample.manifest).ToString());
  EXPECT_THAT(image.repo_digests(),
              ElementsAre("docker.io/library/app@" +
                          DigestOf(sample.manifest).ToString()));
  EXPECT_EQ(image.size(), static_cast<int64_t>(
                              sample.manifest.size() + sample.config.size() +
                              sample.blobs[0].size() + sample.blobs[1].size()));
  EXPECT_EQ(InLayer(image, 0, "etc/a"), "lower");
  EXPECT_EQ(InLayer(image, 1, "etc/b"), "upper");
  // Kept digest for digest.
  for (const auto& [hex, data] : sample.Content()) {
    EXPECT_EQ(*store_->content().Read(DigestOf(data), 1 << 20), data);
  }
}

TEST_F(ImporterTest, LoadsAnOciLayoutTarCompressedOrNot) {
  const SampleImage sample = TwoLayers();
  const std::string tar = TarOf(LayoutFiles({sample}, Named(sample, kRefName)));
  for (const std::string& archive :
       std::initializer_list<std::string>{tar, Gzipped(tar), Zstded(tar)}) {
    ASSERT_OK(Load(archive));
    EXPECT_OK(store_->Resolve("app:v1"));
    EXPECT_THAT(*sys::ListDirAt(store_dir_.fd(), "ingest"), IsEmpty());
    ASSERT_OK(store_->Remove("app:v1", nullptr));
    ExpectNothingLeft();
  }
}

TEST_F(ImporterTest, LoadsADockerArchive) {
  const SampleImage sample = TwoLayers();
  ASSERT_OK_AND_ASSIGN(
      auto images,
      Load(TarOf(DockerFiles(sample, R"(["app:v1","h.io/b:2"])"))));
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_THAT(images[0].names,
              ElementsAre("docker.io/library/app:v1", "h.io/b:2"));
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image, store_->Resolve("h.io/b:2"));
  EXPECT_EQ(image.id(), sample.id().ToString());
  EXPECT_GT(image.size(), 0);
  EXPECT_EQ(InLayer(image, 1, "etc/b"), "upper");
}

TEST_F(ImporterTest, DockerArchiveMayShareLayersBySymlink) {
  const SampleImage sample = TwoLayers();
  Files files = DockerFiles(sample, "null");
  TarBuilder tar;
  tar.Symlink("layer0/layer.tar", "../real/layer.tar");
  tar.File("real/layer.tar", files["layer0/layer.tar"]);
  files.erase("layer0/layer.tar");
  for (const auto& [name, data] : files) tar.File(name, data);
  ASSERT_OK_AND_ASSIGN(auto images, Load(tar.Done()));
  EXPECT_THAT(images[0].names, IsEmpty());
  EXPECT_OK(store_->Resolve(images[0].id));
}

TEST_F(ImporterTest, ChoosesThePlatformInANestedIndex) {
  const SampleImage mine = TwoLayers();
  const SampleImage other =
      MakeImage({TarBuilder().File("f", "x").Done()}, "s390x");
  const std::string inner = IndexJson(
      {DescriptorJson(kOciManifestType, other.manifest, PlatformJson("s390x")),
       DescriptorJson(kOciManifestType, mine.manifest,
                      PlatformJson(HostPlatform().architecture))});
  Files files =
      LayoutFiles({mine, other},
                  IndexJson({DescriptorJson(kOciIndexType, inner, kRefName)}));
  files["blobs/sha256/" + DigestOf(inner).hex()] = inner;
  ASSERT_OK_AND_ASSIGN(auto images, Load(TarOf(files)));
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_EQ(images[0].id, mine.id().ToString());
  EXPECT_THAT(store_->Resolve("app:v1")->repo_digests(),
              ElementsAre(HasSubstr(DigestOf(inner).hex())));
}

TEST_F(ImporterTest, ImageOfAnotherPlatformIsNotFound) {
  const SampleImage other = MakeImage({}, "s390x");
  EXPECT_THAT(Load(TarOf(LayoutFiles({other}, Named(other, "")))),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("s390x")));
  EXPECT_THAT(Load(TarOf(DockerFiles(other, "null"))),
              StatusIs(absl::StatusCode::kNotFound));
  ExpectNothingLeft();
}

TEST_F(ImporterTest, BareTagTakesTheBaseName) {
  const SampleImage sample = TwoLayers();
  const std::string tar = TarOf(LayoutFiles(
      {sample},
      Named(sample,
            R"(,"annotations":{"org.opencontainers.image.ref.name":"v9"})")));
  ASSERT_OK_AND_ASSIGN(auto images, Load(tar));
  EXPECT_THAT(images[0].names, IsEmpty());
  ASSERT_OK_AND_ASSIGN(images, Load(tar, {.base_name = "h.io/app"}));
  EXPECT_THAT(images[0].names, ElementsAre("h.io/app:v9"));
}

TEST_F(ImporterTest, EveryChangedBlobIsNoticed) {
  const SampleImage sample = TwoLayers();
  const Files whole = LayoutFiles({sample}, Named(sample, kRefName));
  for (const auto& [name, data] : whole) {
    if (name.find("blobs/") != 0) continue;
    Files files = whole;
    std::string& changed = files[name];
    changed[changed.size() / 2] ^= 1;
    EXPECT_THAT(Load(TarOf(files)), Not(IsOk())) << name;
    ExpectNothingLeft();
    files = whole;
    files[name] += "more";
    EXPECT_THAT(Load(TarOf(files)), Not(IsOk())) << name;
    ExpectNothingLeft();
    files = whole;
    files.erase(name);
    EXPECT_THAT(Load(TarOf(files)), StatusIs(absl::StatusCode::kDataLoss))
        << name;
    ExpectNothingLeft();
  }
}

TEST_F(ImporterTest, WrongDiffIdsAreNoticed) {
  SampleImage sample = TwoLayers();
  Files files = DockerFiles(sample, "null");
  files["layer1/layer.tar"] = TarBuilder().File("evil", "x").Done();
  EXPECT_THAT(Load(TarOf(files)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("diffID")));
  ExpectNothingLeft();
  files = DockerFiles(sample, "null");
  files[sample.id().hex() + ".json"] += " ";
  EXPECT_THAT(Load(TarOf(files)), StatusIs(absl::StatusCode::kDataLoss));
  ExpectNothingLeft();
}

TEST_F(ImporterTest, HostileArchivesAreRefused) {
  const SampleImage sample = TwoLayers();
  Files out = DockerFiles(sample, "null");
  out["manifest.json"] = absl::StrReplaceAll(
      out["manifest.json"], {{"layer0/layer.tar", "../../../etc/passwd"}});
  EXPECT_THAT(Load(TarOf(out)), Not(IsOk()));
  // A link out of the archive.
  Files files = DockerFiles(sample, "null");
  files.erase("layer0/layer.tar");
  TarBuilder tar;
  tar.Symlink("layer0/layer.tar", "/etc/passwd");
  for (const auto& [name, data] : files) tar.File(name, data);
  EXPECT_THAT(Load(tar.Done()), StatusIs(absl::StatusCode::kDataLoss));
  // Links in a circle.
  TarBuilder circle;
  circle.Symlink("oci-layout", "a").Symlink("a", "oci-layout");
  EXPECT_THAT(Load(circle.Done()), Not(IsOk()));
  EXPECT_THAT(Load("no archive at all"), Not(IsOk()));
  EXPECT_THAT(Load(""), Not(IsOk()));
  EXPECT_THAT(Load(Gzipped(std::string(3'000'000, '\0')),
                   {.max_archive_bytes = 1'000'000}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  ExpectNothingLeft();
}

// Fails with OpenAt in DirectoryFiles.
TEST_F(ImporterTest, LayoutDirectoryWithLinksOutIsRefused) {
  const SampleImage sample = TwoLayers();
  Files files = LayoutFiles({sample}, Named(sample, ""));
  const std::string config = "blobs/sha256/" + sample.id().hex();
  Write(files_.fd(), "outside", files[config]);
  files.erase(config);
  for (const auto& [name, data] : files) Write(files_.fd(), "l/" + name, data);
  ASSERT_OK(
      sys::SymlinkAt(files_.path() + "/outside", files_.fd(), "l/" + config));
  EXPECT_THAT(ImportPath(files_.path() + "/l", store_.get(), {}), Not(IsOk()));
  ExpectNothingLeft();
}

// Fails where one of the readers does not ask: of the archive, of a layer.
TEST_F(ImporterTest, CancelledLeavesNothing) {
  const SampleImage sample = TwoLayers();
  const Files files = LayoutFiles({sample}, Named(sample, kRefName));
  ImportOptions options;
  options.layer.cancelled = [] { return true; };
  EXPECT_THAT(
      Load(TarOf(files), options),
      StatusIs(absl::StatusCode::kCancelled, HasSubstr("read archive")));
  ExpectNothingLeft();
  for (const auto& [name, data] : files) Write(files_.fd(), "l/" + name, data);
  EXPECT_THAT(ImportPath(files_.path() + "/l", store_.get(), options),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("layer")));
  ExpectNothingLeft();
}

// Fails without LimitsFor, and with a multiple that is not the one given.
TEST_F(ImporterTest, LayersMayInflateToAMultipleOfTheirBlob) {
  // About two hundredfold.
  const SampleImage sample = MakeImage(
      {TarBuilder().File("zeros", std::string(20 << 20, '\0')).Done()});
  const std::string tar = TarOf(LayoutFiles({sample}, Named(sample, kRefName)));
  ImportOptions options;
  options.layer.limits.always_allowed_bytes = 1 << 20;
  options.layer.limits.max_inflation = 50;
  EXPECT_THAT(Load(tar, options), StatusIs(absl::StatusCode::kResourceExhausted,
                                           HasSubstr("inflates to more")));
  ExpectNothingLeft();
  options.layer.limits.max_inflation = 1000;
  EXPECT_OK(Load(tar, options));
}

// Fails with OpenAt in DirectoryFiles.
TEST_F(ImporterTest, PathsOfADockerArchiveStayInItsDirectory) {
  const SampleImage sample = TwoLayers();
  Files files = DockerFiles(sample, "null");
  Write(files_.fd(), "outside", files["layer0/layer.tar"]);
  std::string& manifest = files["manifest.json"];
  manifest =
      absl::StrReplaceAll(manifest, {{"layer0/layer.tar", "../outside"}});
  for (const auto& [name, data] : files) Write(files_.fd(), "d/" + name, data);
  EXPECT_THAT(ImportPath(files_.path() + "/d", store_.get(), {}), Not(IsOk()));
  ExpectNothingLeft();
}

// Fails (hangs) without O_NONBLOCK in ImportPath.
TEST_F(ImporterTest, APathOfNoFileIsRefusedAtOnce) {
  const std::string path = files_.path() + "/fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(ImportPath(path, store_.get(), {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("fifo: is neither a directory")));
}

TEST_F(ImporterTest, DiscardsLayerBlobsIfAsked) {
  const SampleImage sample = TwoLayers();
  ImportOptions options;
  options.layer.keep_blob = false;
  ASSERT_OK(
      Load(TarOf(LayoutFiles({sample}, Named(sample, kRefName))), options));
  EXPECT_FALSE(store_->content().Has(DigestOf(sample.blobs[0])));
  EXPECT_EQ(InLayer(*store_->Resolve("app:v1"), 0, "etc/a"), "lower");
}

}  // namespace
}  // namespace gantry::image
