// What the tests of pulls have in common: a store, and a registry without a
// network.

#ifndef GANTRY_RUNTIME_IMAGE_TESTING_PULLER_CASE_H_
#define GANTRY_RUNTIME_IMAGE_TESTING_PULLER_CASE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/puller.h"
#include "runtime/image/testing/fake_registry.h"
#include "runtime/image/testing/sample_image.h"
#include "runtime/image/testing/tar_builder.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {

// Large enough for a part of it to be kept.
inline SampleImage LargeImage() {
  std::string noise;
  for (uint32_t x = 1; noise.size() < (5 << 20); x = x * 1664525 + 1013904223) {
    noise.push_back(static_cast<char>(x >> 24));
  }
  return MakeImage({TarBuilder().File("etc/a", noise).Done()});
}

class PullerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = ImageStore::Open(dir_.fd(), nullptr);
    ASSERT_OK(store);
    store_ = *std::move(store);
    registry_options_.sleep = [](absl::Duration) {};
  }
  void Serve(const SampleImage& image, const std::string& tag) {
    for (const auto& [hex, data] : image.Content()) registry_.Add(data);
    registry_.Tag(tag, image.manifest, kOciManifestType);
  }
  absl::StatusOr<record::ImageRecord> PullImage(absl::string_view name) {
    RegistryClient client(client_, registry_options_, {});
    Puller puller(&client, store_.get(), options_);
    ASSIGN_OR_RETURN(Reference ref, ParseReference(name));
    ASSIGN_OR_RETURN(std::unique_ptr<Pull> pull, puller.Resolve(ref));
    for (size_t i = 0; i < pull->layers().size(); ++i) {
      RETURN_IF_ERROR(pull->FetchLayer(i));
    }
    return pull->Commit();
  }
  std::string InLayer(const record::ImageRecord& image, int i,
                      const std::string& path) {
    auto lowers = store_->LowersOf(image);
    if (!lowers.ok()) return std::string(lowers.status().message());
    return *sys::ReadFileAt(store_->layers().dir_fd(),
                            lowers->dirs.at(i) + "/" + path);
  }
  int RequestsFor(absl::string_view part) {
    int count = 0;
    for (const http::Request& request : registry_.requests()) {
      count += absl::StrContains(request.url, part);
    }
    return count;
  }
  void ExpectNothingLeft() {
    EXPECT_THAT(store_->List(), ::testing::IsEmpty());
    ASSERT_OK(store_->CollectGarbage(nullptr));
    EXPECT_THAT(*store_->content().List(), ::testing::IsEmpty());
    EXPECT_THAT(*sys::ListDirAt(dir_.fd(), "ingest"), ::testing::IsEmpty());
    EXPECT_THAT(*sys::ListDirAt(dir_.fd(), "layers"), ::testing::IsEmpty());
  }

  sys::testing::TempDir dir_;
  std::unique_ptr<ImageStore> store_;
  FakeRegistry registry_{"r.example"};
  http::Client* client_ = &registry_;
  RegistryOptions registry_options_;
  PullOptions options_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_TESTING_PULLER_CASE_H_
