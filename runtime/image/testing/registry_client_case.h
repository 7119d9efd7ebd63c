// A client of a registry in memory that fails as a test wants it to. Header
// only.

#ifndef GANTRY_RUNTIME_IMAGE_TESTING_REGISTRY_CLIENT_CASE_H_
#define GANTRY_RUNTIME_IMAGE_TESTING_REGISTRY_CLIENT_CASE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/http/client.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/digest.h"
#include "runtime/image/manifest.h"
#include "runtime/image/reference.h"
#include "runtime/image/registry_client.h"
#include "runtime/image/testing/fake_registry.h"

namespace gantry::image {

inline constexpr char kManifest[] = R"({"schemaVersion":2})";

class RegistryClientTest : public ::testing::Test {
 protected:
  using Answer = FakeRegistry::Answer;

  RegistryClientTest() {
    registry_.Tag("v1", kManifest, kOciManifestType);
    registry_.Add(blob_);
    options_.sleep = [this](absl::Duration time) { slept_ += time; };
  }
  RegistryClient Client(Credentials credentials = {}) {
    return RegistryClient(&registry_, options_, std::move(credentials));
  }
  Reference Ref(absl::string_view text = "r.example/a/b:v1") {
    return *ParseReference(text);
  }
  Descriptor Blob() {
    return {.digest = DigestOf(blob_),
            .size = static_cast<int64_t>(blob_.size())};
  }
  absl::StatusOr<std::string> ReadBlob(RegistryClient* client) {
    ASSIGN_OR_RETURN(auto source, client->OpenBlob(Ref(), Blob(), nullptr));
    return ReadAll(source.get(), 1 << 20);
  }
  void Break(int times, size_t after) {
    for (int i = 0; i < times; ++i) {
      registry_.faults.push_back([=, this](const http::Request& request) {
        const size_t from = request.range ? request.range->first : 0;
        Answer answer = {.body = blob_.substr(from), .breaks_after = after};
        if (request.range) {
          answer.status = 206;
          answer.headers = {{"Content-Range",
                             absl::StrCat("bytes ", from, "-", blob_.size() - 1,
                                          "/", blob_.size())}};
        }
        return answer;
      });
    }
  }
  void Fail(int times, Answer answer) {
    for (int i = 0; i < times; ++i) {
      registry_.faults.push_back([=](const http::Request&) { return answer; });
    }
  }

  const std::string blob_ = std::string(5000, 'a') + std::string(5000, 'b');
  FakeRegistry registry_{"r.example"};
  RegistryOptions options_;
  absl::Duration slept_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_TESTING_REGISTRY_CLIENT_CASE_H_
