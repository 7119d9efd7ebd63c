#include "runtime/image/puller.h"

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/http/curl_client.h"
#include "runtime/http/testing/loopback_server.h"
#include "runtime/image/testing/fake_registry.h"
#include "runtime/image/testing/puller_case.h"
#include "runtime/image/testing/sample_image.h"
#include "runtime/image/testing/tar_builder.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(PullerTest, PullsByTag) {
  const SampleImage sample = TwoLayers();
  Serve(sample, "v1");
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image, PullImage("r.example/a:v1"));
  EXPECT_EQ(image.id(), sample.id().ToString());
  EXPECT_THAT(image.repo_tags(), ElementsAre("r.example/a:v1"));
  EXPECT_THAT(
      image.repo_digests(),
      ElementsAre("r.example/a@" + DigestOf(sample.manifest).ToString()));
  EXPECT_EQ(image.config().user(), "7");
  EXPECT_EQ(InLayer(image, 0, "etc/a"), "lower");
  EXPECT_EQ(InLayer(image, 1, "etc/b"), "upper");
  EXPECT_OK(store_->Resolve("r.example/a:v1"));
  for (const auto& [hex, data] : sample.Content()) {
    EXPECT_EQ(*store_->content().Read(DigestOf(data), 1 << 20), data);
  }
}

TEST_F(PullerTest, PullsByDigestWithoutATag) {
  const SampleImage sample = TwoLayers();
  Serve(sample, "v1");
  const std::string name =
      "r.example/a@" + DigestOf(sample.manifest).ToString();
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image, PullImage(name));
  EXPECT_THAT(image.repo_tags(), IsEmpty());
  EXPECT_OK(store_->Resolve(name));
}

TEST_F(PullerTest, ChoosesThePlatformOfAnIndex) {
  const SampleImage mine = TwoLayers();
  const SampleImage other = MakeImage({}, "s390x");
  Serve(mine, "mine");
  const std::string index = IndexJson(
      {DescriptorJson(kOciManifestType, other.manifest, PlatformJson("s390x")),
       DescriptorJson(kOciManifestType, mine.manifest,
                      PlatformJson(HostPlatform().architecture))});
  registry_.Tag("v1", index, kOciIndexType);
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image, PullImage("r.example/a:v1"));
  EXPECT_EQ(image.id(), mine.id().ToString());
  EXPECT_THAT(image.repo_digests(),
              ElementsAre(HasSubstr(DigestOf(index).hex()),
                          HasSubstr(DigestOf(mine.manifest).hex())));
  options_.platform.architecture = "riscv64";
  EXPECT_THAT(PullImage("r.example/a:v1"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("s390x")));
}

TEST_F(PullerTest, WhatIsThereIsNotFetchedAgain) {
  const SampleImage sample = TwoLayers();
  Serve(sample, "v1");
  ASSERT_OK(PullImage("r.example/a:v1"));
  const int blobs = RequestsFor("/blobs/");
  EXPECT_EQ(blobs, 3);
  const size_t requests = registry_.requests().size();
  ASSERT_OK(PullImage("r.example/a:v1"));
  EXPECT_EQ(RequestsFor("/blobs/"), blobs);
  // No more than what the tag means now.
  ASSERT_THAT(registry_.requests(), SizeIs(requests + 1));
  EXPECT_EQ(registry_.requests().back().method, http::Method::kHead);
  // Another image with the same lower layer.
  const SampleImage next =
      MakeImage({sample.tars[0], TarBuilder().File("f", "next").Done()});
  Serve(next, "v2");
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image, PullImage("r.example/a:v2"));
  EXPECT_EQ(RequestsFor("/blobs/"), blobs + 2);  // configuration, top layer
  EXPECT_EQ(InLayer(image, 0, "etc/a"), "lower");
}

TEST_F(PullerTest, LostLayerIsUnpackedFromItsKeptBlob) {
  const SampleImage sample = TwoLayers();
  Serve(sample, "v1");
  ASSERT_OK(PullImage("r.example/a:v1"));
  ASSERT_OK(store_->layers().Retire(DigestOf(sample.tars[0]), nullptr));
  ASSERT_OK(PullImage("r.example/a:v1"));
  EXPECT_TRUE(store_->layers().Find(DigestOf(sample.tars[0])));
  EXPECT_EQ(RequestsFor(DigestOf(sample.blobs[0]).hex()), 1);
}

TEST_F(PullerTest, LostBlobIsFetchedAloneThoughItsLayerIsThere) {
  const SampleImage sample = TwoLayers();
  Serve(sample, "v1");
  ASSERT_OK(PullImage("r.example/a:v1"));
  const Digest blob = DigestOf(sample.blobs[0]);
  ASSERT_OK(store_->content().Remove(blob));
  ASSERT_OK(PullImage("r.example/a:v1"));
  EXPECT_EQ(*store_->content().Read(blob, 1 << 20), sample.blobs[0]);
  EXPECT_EQ(RequestsFor(blob.hex()), 2);
  EXPECT_EQ(RequestsFor(DigestOf(sample.blobs[1]).hex()), 1);
}

TEST_F(PullerTest, DamagedKeptBlobIsNoticedAndFetchedAnew) {
  const SampleImage sample = TwoLayers();
  Serve(sample, "v1");
  ASSERT_OK(PullImage("r.example/a:v1"));
  const Digest blob = DigestOf(sample.blobs[0]);
  ASSERT_OK(store_->layers().Retire(DigestOf(sample.tars[0]), nullptr));
  ASSERT_OK(sys::WriteFileAt(dir_.fd(), "blobs/sha256/" + blob.hex(),
                             std::string(sample.blobs[0].size(), 'x')));
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image, PullImage("r.example/a:v1"));
  EXPECT_EQ(InLayer(image, 0, "etc/a"), "lower");
  EXPECT_EQ(*store_->content().Read(blob, 1 << 20), sample.blobs[0]);
  EXPECT_EQ(RequestsFor(blob.hex()), 2);
}

TEST_F(PullerTest, PullThatBrokeOffGoesOnWhereItWas) {
  const SampleImage sample = LargeImage();
  Serve(sample, "v1");
  const std::string& blob = sample.blobs[0];
  const std::string hex = DigestOf(blob).hex();
  registry_options_.max_attempts = 1;
  // Manifest, configuration, layer.
  registry_.faults = {[](const http::Request&) { return std::nullopt; },
                      [](const http::Request&) { return std::nullopt; },
                      [&](const http::Request&) {
                        return FakeRegistry::Answer{.body = blob,
                                                    .breaks_after = 3 << 20};
                      }};
  EXPECT_THAT(PullImage("r.example/a:v1"),
              StatusIs(absl::StatusCode::kUnavailable));
  // By another server of this store.
  store_.reset();
  ASSERT_OK_AND_ASSIGN(store_, ImageStore::Open(dir_.fd(), nullptr));
  ASSERT_OK(PullImage("r.example/a:v1"));
  const std::vector<http::Request> requests = registry_.requests();
  ASSERT_TRUE(requests.back().range);
  EXPECT_EQ(requests.back().range->first, 3 << 20);
  EXPECT_EQ(*store_->content().Read(DigestOf(blob), 8 << 20), blob);
  ASSERT_OK_AND_ASSIGN(
      struct stat unpacked,
      sys::StatAt(store_->layers().dir_fd(),
                  store_->layers().Find(DigestOf(sample.tars[0]))->LowerDir() +
                      "/etc/a"));
  EXPECT_EQ(unpacked.st_size, 5 << 20);
  EXPECT_THAT(*sys::ListDirAt(dir_.fd(), "partial"), IsEmpty());
}

TEST_F(PullerTest, LayersMayBeFetchedByThreads) {
  std::vector<std::string> tars;
  for (int i = 0; i < 12; ++i) {
    tars.push_back(TarBuilder()
                       .File("f", absl::StrCat("layer ", i))
                       .File("big", std::string(100'000, 'x'))
                       .Done());
  }
  Serve(MakeImage(tars), "v1");
  RegistryClient client(client_, registry_options_, {});
  Puller puller(&client, store_.get(), options_);
  ASSERT_OK_AND_ASSIGN(auto pull,
                       puller.Resolve(*ParseReference("r.example/a:v1")));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      // All of them fetch all layers: the same one at the same time, too.
      for (size_t i = 0; i < pull->layers().size(); ++i) {
        EXPECT_OK(pull->FetchLayer(i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image, pull->Commit());
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(InLayer(image, i, "f"), absl::StrCat("layer ", i));
  }
  EXPECT_THAT(*sys::ListDirAt(dir_.fd(), "layers"), SizeIs(12));
}

TEST_F(PullerTest, PullUnderWayIsSafeFromCollection) {
  const SampleImage sample = TwoLayers();
  Serve(sample, "v1");
  RegistryClient client(client_, registry_options_, {});
  Puller puller(&client, store_.get(), options_);
  ASSERT_OK_AND_ASSIGN(auto pull,
                       puller.Resolve(*ParseReference("r.example/a:v1")));
  ASSERT_OK(pull->FetchLayer(0));
  ASSERT_OK(store_->CollectGarbage(nullptr));
  ASSERT_OK(pull->FetchLayer(1));
  ASSERT_OK(store_->CollectGarbage(nullptr));
  ASSERT_OK(pull->Commit());
  pull.reset();
  ASSERT_OK(store_->CollectGarbage(nullptr));
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image,
                       store_->Resolve("r.example/a:v1"));
  EXPECT_EQ(InLayer(image, 1, "etc/b"), "upper");
}

TEST_F(PullerTest, PullGivenUpLeavesNothing) {
  Serve(TwoLayers(), "v1");
  {
    RegistryClient client(client_, registry_options_, {});
    Puller puller(&client, store_.get(), options_);
    ASSERT_OK_AND_ASSIGN(auto pull,
                         puller.Resolve(*ParseReference("r.example/a:v1")));
    ASSERT_OK(pull->FetchLayer(0));
  }
  ExpectNothingLeft();
}

TEST_F(PullerTest, CommitWithoutAllLayersFails) {
  Serve(TwoLayers(), "v1");
  RegistryClient client(client_, registry_options_, {});
  Puller puller(&client, store_.get(), options_);
  ASSERT_OK_AND_ASSIGN(auto pull,
                       puller.Resolve(*ParseReference("r.example/a:v1")));
  ASSERT_OK(pull->FetchLayer(0));
  EXPECT_THAT(pull->Commit(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(store_->List(), IsEmpty());
}

TEST_F(PullerTest, CancelledPullLeavesNothing) {
  Serve(TwoLayers(), "v1");
  bool cancelled = false;
  options_.cancelled = [&] { return cancelled; };
  {
    RegistryClient client(client_, registry_options_, {});
    Puller puller(&client, store_.get(), options_);
    ASSERT_OK_AND_ASSIGN(auto pull,
                         puller.Resolve(*ParseReference("r.example/a:v1")));
    EXPECT_THAT(pull->FetchLayer(0, [&](int64_t) { cancelled = true; }),
                StatusIs(absl::StatusCode::kCancelled));
  }
  ExpectNothingLeft();
}

TEST_F(PullerTest, DiscardsLayerBlobsIfAsked) {
  const SampleImage sample = TwoLayers();
  Serve(sample, "v1");
  options_.keep_layer_blobs = false;
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image, PullImage("r.example/a:v1"));
  EXPECT_FALSE(store_->content().Has(DigestOf(sample.blobs[0])));
  EXPECT_EQ(InLayer(image, 0, "etc/a"), "lower");
  registry_.faults.push_back([&](const http::Request&) {
    return FakeRegistry::Answer{.body = sample.manifest};
  });
  ASSERT_OK(store_->Remove("r.example/a:v1", nullptr));
  // Without a copy the stream itself is hashed.
  SampleImage changed = sample;
  registry_.faults.clear();
  for (int i = 0; i < 20; ++i) {
    registry_.faults.push_back([&](const http::Request& request)
                                   -> std::optional<FakeRegistry::Answer> {
      if (!absl::StrContains(request.url, DigestOf(sample.blobs[1]).hex())) {
        return std::nullopt;
      }
      // Another zstd frame of the same content: only the blob differs.
      return FakeRegistry::Answer{.body = Zstded("") + sample.blobs[1]};
    });
  }
  EXPECT_THAT(PullImage("r.example/a:v1"),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(PullerTest, PullsOverHttpFromALoopbackRegistry) {
  const SampleImage sample = TwoLayers();
  const auto content = sample.Content();
  http::LoopbackServer server([&](const std::string& request) {
    const std::string target = request.substr(4, request.find(" HTTP") - 4);
    if (absl::EndsWith(target, "/manifests/v1")) {
      return http::LoopbackServer::Answer(
          200, sample.manifest,
          absl::StrCat("Content-Type: ", kOciManifestType, "\r\n"));
    }
    auto it = content.find(target.substr(target.rfind(':') + 1));
    if (it == content.end()) return http::LoopbackServer::Answer(404, "");
    return http::LoopbackServer::Answer(200, it->second);
  });
  std::unique_ptr<http::Client> client = http::NewCurlClient();
  client_ = client.get();
  ASSERT_OK_AND_ASSIGN(
      record::ImageRecord image,
      PullImage(absl::StrCat("127.0.0.1:", server.port(), "/a/b:v1")));
  EXPECT_EQ(image.id(), sample.id().ToString());
  EXPECT_EQ(InLayer(image, 1, "etc/b"), "upper");
}

}  // namespace
}  // namespace gantry::image
