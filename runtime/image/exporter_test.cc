#include "runtime/image/exporter.h"

#include <fcntl.h>

#include <map>
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
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// A store of its own with a directory for archives.
struct Place {
  Place() : store(*ImageStore::Open(dir.fd(), nullptr)) {}

  absl::StatusOr<std::vector<ImportedImage>> Load(const std::string& archive) {
    auto fd =
        sys::OpenAt(files.fd(), "archive", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (!fd.ok()) return fd.status();
    absl::Status written = sys::WriteAll(fd->get(), archive);
    if (!written.ok()) return written;
    return ImportPath(files.path() + "/archive", store.get(), {});
  }
  absl::StatusOr<std::string> Save(const std::vector<std::string>& refs,
                                   ArchiveFormat format) {
    std::vector<ExportedImage> images;
    for (const std::string& ref : refs) {
      auto image = store->Resolve(ref);
      if (!image.ok()) return image.status();
      images.push_back({.image = *image});
    }
    std::string archive;
    absl::Status status =
        Export(store.get(), images, format, [&](absl::string_view bytes) {
          absl::StrAppend(&archive, bytes);
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    return archive;
  }

  sys::testing::TempDir dir;
  sys::testing::TempDir files;
  std::unique_ptr<ImageStore> store;
};

std::string Layout(const SampleImage& image, const std::string& name) {
  return TarOf(LayoutFiles(
      {image}, IndexJson({DescriptorJson(
                   kOciManifestType, image.manifest,
                   R"(,"annotations":{"org.opencontainers.image.ref.name":")" +
                       name + "\"}")})));
}

TEST(Exporter, LayoutLoadsElsewhereDigestForDigest) {
  const SampleImage sample = TwoLayers();
  Place from, to;
  ASSERT_OK(from.Load(Layout(sample, "app:v1")));
  ASSERT_OK_AND_ASSIGN(std::string archive,
                       from.Save({"app:v1"}, ArchiveFormat::kOciLayout));
  ASSERT_OK_AND_ASSIGN(auto images, to.Load(archive));
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_EQ(images[0].id, sample.id().ToString());
  EXPECT_THAT(images[0].names, ElementsAre("docker.io/library/app:v1"));
  for (const auto& [hex, data] : sample.Content()) {
    EXPECT_EQ(*to.store->content().Read(DigestOf(data), 1 << 20), data);
  }
  // The same content is the same archive.
  EXPECT_EQ(*to.Save({"app:v1"}, ArchiveFormat::kOciLayout), archive);
}

TEST(Exporter, DockerArchiveKeepsConfigurationLayersAndNames) {
  const SampleImage sample = TwoLayers();
  Place from, to;
  ASSERT_OK(from.Load(Layout(sample, "app:v1")));
  ASSERT_OK(from.store->AddTag(sample.id().ToString(), "other:v2"));
  ASSERT_OK_AND_ASSIGN(std::string archive,
                       from.Save({"app:v1"}, ArchiveFormat::kDockerArchive));
  ASSERT_OK_AND_ASSIGN(auto images, to.Load(archive));
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_EQ(images[0].id, sample.id().ToString());
  EXPECT_THAT(images[0].names,
              UnorderedElementsAre("docker.io/library/app:v1",
                                   "docker.io/library/other:v2"));
  EXPECT_THAT(to.store->layers().List(), SizeIs(2));
  // Of a docker-archive no layer's blob is kept.
  EXPECT_THAT(to.Save({"app:v1"}, ArchiveFormat::kOciLayout),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("came in a docker-archive")));
}

TEST(Exporter, SeveralImagesShareBlobsAndKeepTheirNames) {
  const std::string shared = TarBuilder().File("etc/a", "both").Done();
  const SampleImage one =
      MakeImage({shared, TarBuilder().File("one", "1").Done()});
  const SampleImage two =
      MakeImage({shared, TarBuilder().File("two", "2").Done()});
  Place from, to;
  ASSERT_OK(from.Load(Layout(one, "example.com/one:latest")));
  ASSERT_OK(from.Load(Layout(two, "example.com/two:latest")));
  for (ArchiveFormat format :
       {ArchiveFormat::kOciLayout, ArchiveFormat::kDockerArchive}) {
    ASSERT_OK_AND_ASSIGN(
        std::string archive,
        from.Save({"example.com/one", "example.com/two"}, format));
    ASSERT_OK_AND_ASSIGN(auto images, to.Load(archive));
    ASSERT_THAT(images, SizeIs(2));
    EXPECT_THAT(images[0].names, ElementsAre("example.com/one:latest"));
    EXPECT_THAT(images[1].names, ElementsAre("example.com/two:latest"));
    EXPECT_THAT(to.store->layers().List(), SizeIs(3));
    // The shared layer is there once.
    EXPECT_LT(archive.size(), size_t{24} << 10);
  }
}

TEST(Exporter, LostBlobIsToldBeforeTheFirstByte) {
  const SampleImage sample = TwoLayers();
  Place place;
  ASSERT_OK(place.Load(Layout(sample, "app:v1")));
  const Digest layer = DigestOf(sample.blobs[1]);
  ASSERT_OK(place.store->content().Remove(layer));
  EXPECT_THAT(place.Save({"app:v1"}, ArchiveFormat::kOciLayout),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(layer.ToString() + " is not in the store")));
  // A load brings back just that, though the layer is there unpacked.
  ASSERT_OK(place.Load(Layout(sample, "app:v1")));
  EXPECT_OK(place.Save({"app:v1"}, ArchiveFormat::kOciLayout));
}

TEST(Exporter, DamagedBlobEndsTheArchive) {
  const SampleImage sample = TwoLayers();
  Place place;
  ASSERT_OK(place.Load(Layout(sample, "app:v1")));
  const std::string path = "blobs/sha256/" + DigestOf(sample.blobs[1]).hex();
  ASSERT_OK(sys::WriteFileAt(place.dir.fd(), path,
                             std::string(sample.blobs[1].size(), 'x')));
  EXPECT_THAT(place.Save({"app:v1"}, ArchiveFormat::kOciLayout),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(Exporter, SinkThatFailsEndsTheArchive) {
  const SampleImage sample = TwoLayers();
  Place place;
  ASSERT_OK(place.Load(Layout(sample, "app:v1")));
  int calls = 0;
  EXPECT_THAT(
      Export(place.store.get(), {{.image = *place.store->Resolve("app:v1")}},
             ArchiveFormat::kOciLayout,
             [&](absl::string_view) {
               return ++calls > 2 ? absl::CancelledError("gone")
                                  : absl::OkStatus();
             }),
      StatusIs(absl::StatusCode::kCancelled, HasSubstr("gone")));
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace gantry::image
