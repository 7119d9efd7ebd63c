// Pulls from registries and mirrors that send something else.

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/http/url.h"
#include "runtime/image/puller.h"
#include "runtime/image/testing/fake_registry.h"
#include "runtime/image/testing/puller_case.h"
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

TEST_F(PullerTest, EveryChangedAnswerIsNoticed) {
  const SampleImage sample = TwoLayers();
  for (const auto& [hex, data] : sample.Content()) {
    FakeRegistry registry("r.example");
    for (const auto& [other, content] : sample.Content()) {
      registry.Add(content);
    }
    registry.Tag("v1", sample.manifest, kOciManifestType);
    std::string changed = data;
    changed[changed.size() / 2] ^= 1;
    // Every request is looked at; that of this blob gets the changed content.
    for (int i = 0; i < 20; ++i) {
      registry.faults.push_back(
          [hex = hex, changed](const http::Request& request)
              -> std::optional<FakeRegistry::Answer> {
            if (!absl::StrContains(request.url, hex)) return std::nullopt;
            return FakeRegistry::Answer{.body = changed};
          });
    }
    client_ = &registry;
    const bool manifest = hex == DigestOf(sample.manifest).hex();
    EXPECT_THAT(PullImage(manifest ? absl::StrCat("r.example/a@sha256:", hex)
                                   : "r.example/a:v1"),
                Not(IsOk()));
    ExpectNothingLeft();
  }
}

class LyingMirrorTest : public PullerTest {
 protected:
  LyingMirrorTest() {
    std::filesystem::create_directories(settings_.path() + "/r.example");
    std::ofstream(settings_.path() + "/r.example/hosts.toml")
        << "[host.\"https://one.example\"]\n[host.\"https://two.example\"]\n";
    registry_options_.config_paths = {settings_.path()};
    registry_.more_hosts = {"one.example", "two.example"};
  }
  // These hosts send it with one bit changed.
  void Spoil(const std::string& content, std::set<std::string> hosts) {
    std::string changed = content;
    changed[content.size() / 2] ^= 1;
    registry_.always = [=](const http::Request& request)
        -> std::optional<FakeRegistry::Answer> {
      if (!absl::StrContains(request.url, DigestOf(content).hex()) ||
          hosts.count(http::ParseUrl(request.url)->host) == 0) {
        return std::nullopt;
      }
      return FakeRegistry::Answer{.body = changed};
    };
  }
  std::vector<std::string> HostsAskedFor(const std::string& content) {
    std::vector<std::string> hosts;
    for (const http::Request& request : registry_.requests()) {
      if (!absl::StrContains(request.url, DigestOf(content).hex())) continue;
      hosts.push_back(http::ParseUrl(request.url)->host);
    }
    return hosts;
  }
  sys::testing::TempDir settings_;
};

TEST_F(LyingMirrorTest, IsFollowedByTheNextHost) {
  const SampleImage sample = TwoLayers();
  Serve(sample, "v1");
  for (const std::string& content :
       {sample.blobs[0], sample.blobs[1], sample.config}) {
    Spoil(content, {"one.example", "two.example"});
    const size_t before = HostsAskedFor(content).size();
    ASSERT_OK_AND_ASSIGN(record::ImageRecord image,
                         PullImage("r.example/a:v1"));
    std::vector<std::string> asked = HostsAskedFor(content);
    asked.erase(asked.begin(), asked.begin() + before);
    EXPECT_THAT(asked, ElementsAre("one.example", "two.example", "r.example"));
    EXPECT_EQ(InLayer(image, 0, "etc/a"), "lower");
    EXPECT_EQ(*store_->content().Read(DigestOf(content), 1 << 20), content);
    ASSERT_OK(store_->Remove(image.id(), nullptr));
    ExpectNothingLeft();
  }
}

TEST_F(LyingMirrorTest, PartOfALargeBlobIsDropped) {
  const SampleImage sample = LargeImage();
  Serve(sample, "v1");
  std::vector<std::thread> threads;
  options_.receive_aside = [&](std::function<void()> work) {
    threads.emplace_back(std::move(work));
  };
  registry_options_.range_bytes = 1 << 20;
  std::string changed = sample.blobs[0];
  changed[3 << 20] ^= 1;
  registry_.always =
      [&](const http::Request& request) -> std::optional<FakeRegistry::Answer> {
    if (!absl::StartsWith(request.url, "https://one.example/") ||
        !request.range) {
      return std::nullopt;
    }
    return FakeRegistry::Part(changed, *request.range);
  };
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image, PullImage("r.example/a:v1"));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*store_->content().Read(DigestOf(sample.blobs[0]), 8 << 20),
            sample.blobs[0]);
  EXPECT_THAT(*sys::ListDirAt(dir_.fd(), "partial"), IsEmpty());
  EXPECT_THAT(*sys::ListDirAt(dir_.fd(), "layers"), SizeIs(1));
}

TEST_F(LyingMirrorTest, WordOfTheLastHostIsTheError) {
  const SampleImage sample = TwoLayers();
  Serve(sample, "v1");
  Spoil(sample.blobs[1], {"one.example", "two.example", "r.example"});
  EXPECT_THAT(std::string(PullImage("r.example/a:v1").status().message()),
              HasSubstr("(before it: "));
  EXPECT_THAT(HostsAskedFor(sample.blobs[1]), SizeIs(3));
  ExpectNothingLeft();
  registry_.always =
      [&](const http::Request& request) -> std::optional<FakeRegistry::Answer> {
    if (!absl::StrContains(request.url, DigestOf(sample.blobs[1]).hex())) {
      return std::nullopt;
    }
    if (absl::StartsWith(request.url, "https://one.example/")) {
      return FakeRegistry::Answer{.body = Zstded("") + sample.blobs[1]};
    }
    return FakeRegistry::Answer{.status = 404};
  };
  EXPECT_THAT(PullImage("r.example/a:v1"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("HTTP 404")));
  ExpectNothingLeft();
}

TEST_F(PullerTest, WrongDiffIdIsNoticedAndNothingStays) {
  SampleImage sample = TwoLayers();
  const SampleImage other = MakeImage(
      {sample.tars[0], TarBuilder().File("something", "else").Done()});
  // The manifest of one with the configuration of the other.
  sample.manifest =
      absl::StrCat(R"({"schemaVersion":2,"config":)",
                   DescriptorJson("c", other.config), R"(,"layers":[)",
                   DescriptorJson("application/vnd.oci.image.layer.v1.tar+gzip",
                                  sample.blobs[0]),
                   ",",
                   DescriptorJson("application/vnd.oci.image.layer.v1.tar+zstd",
                                  sample.blobs[1]),
                   "]}");
  Serve(sample, "v1");
  registry_.Add(other.config);
  EXPECT_THAT(PullImage("r.example/a:v1"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("diffID")));
  ExpectNothingLeft();
}

TEST_F(PullerTest, HostileLayerLeavesNothing) {
  Serve(MakeImage({TarBuilder().File("ok", "x").File("../../x", "").Done()}),
        "v1");
  EXPECT_THAT(PullImage("r.example/a:v1"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ExpectNothingLeft();
}

TEST_F(PullerTest, WrongBytesAreNotKeptForLater) {
  const SampleImage sample = LargeImage();
  Serve(sample, "v1");
  std::string wrong = sample.blobs[0];
  wrong[4 << 20] ^= 1;
  registry_.faults = {[](const http::Request&) { return std::nullopt; },
                      [](const http::Request&) { return std::nullopt; },
                      [&](const http::Request&) {
                        return FakeRegistry::Answer{.body = wrong};
                      }};
  EXPECT_THAT(PullImage("r.example/a:v1"), Not(IsOk()));
  EXPECT_THAT(*sys::ListDirAt(dir_.fd(), "partial"), IsEmpty());
}

TEST_F(PullerTest, DamagedPartIsGivenUpWithinThePull) {
  const SampleImage sample = LargeImage();
  Serve(sample, "v1");
  const std::string& blob = sample.blobs[0];
  {
    ASSERT_OK_AND_ASSIGN(auto writer,
                         store_->content().Resume(DigestOf(blob), blob.size()));
    ASSERT_OK(writer->Write(std::string(2 << 20, 'x')));
    writer->KeepPart();
  }
  ASSERT_OK(PullImage("r.example/a:v1"));
  EXPECT_EQ(*store_->content().Read(DigestOf(blob), 8 << 20), blob);
  EXPECT_THAT(*sys::ListDirAt(dir_.fd(), "partial"), IsEmpty());
}

}  // namespace
}  // namespace gantry::image
