#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/testing/registry_client_case.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class MirrorTest : public RegistryClientTest {
 protected:
  MirrorTest() {
    options_.config_paths = {dir_.path()};
    Configure(R"(
      [host."https://mirror.example"]
      capabilities = ["pull", "resolve"]
      [host."https://mirror.example".header]
      x-key = "k"
    )");
  }
  void Configure(const std::string& text) {
    std::filesystem::create_directories(dir_.path() + "/r.example");
    std::ofstream(dir_.path() + "/r.example/hosts.toml") << text;
  }
  std::vector<std::string> Urls() const {
    std::vector<std::string> urls;
    for (const http::Request& request : registry_.requests()) {
      urls.push_back(request.url);
    }
    return urls;
  }

  const std::string path_ = "/v2/a/b/manifests/v1";
  sys::testing::TempDir dir_;
};

TEST_F(MirrorTest, MirrorsAreAskedFirstAndToldForWhom) {
  registry_.more_hosts = {"mirror.example"};
  RegistryClient client = Client();
  ASSERT_OK(client.FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_THAT(Urls(),
              ElementsAre("https://mirror.example" + path_ + "?ns=r.example"));
  EXPECT_EQ(registry_.requests()[0].headers.Get("x-key"), "k");
}

TEST_F(MirrorTest, WhatAMirrorHasNotOrCannotComesFromTheRegistry) {
  for (int status : {404, 500, 403, 429, -1}) {
    const size_t before = registry_.requests().size();
    Fail(1, {.status = status});
    RegistryClient client = Client();
    EXPECT_OK(client.FetchManifest(Ref(), std::nullopt, nullptr));
    const auto urls = Urls();
    ASSERT_THAT(urls, SizeIs(before + 2));
    EXPECT_EQ(urls.back(), "https://r.example" + path_);
    EXPECT_THAT(registry_.requests().back().headers.Get("x-key"), IsEmpty());
  }
  EXPECT_EQ(slept_, absl::ZeroDuration());
}

TEST_F(MirrorTest, MirrorOutOfReachIsNotAskedAgain) {
  Fail(1, {.status = -1});
  RegistryClient client = Client();
  ASSERT_OK(client.FetchManifest(Ref(), std::nullopt, nullptr));
  ASSERT_OK(client.FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_THAT(Urls(), ElementsAre(StartsWith("https://mirror.example/"),
                                  StartsWith("https://r.example/"),
                                  StartsWith("https://r.example/")));
}

TEST_F(MirrorTest, LyingMirrorIsLeft) {
  Fail(1, {.body = "{}"});
  EXPECT_OK(Client().FetchManifest(Ref(), DigestOf(kManifest), nullptr));
  EXPECT_THAT(Urls(), SizeIs(2));
}

// Fails if the authorizer does not ask whether the host is the named one.
TEST_F(MirrorTest, MirrorsGetNoCredentials) {
  const Credentials secrets[] = {{.username = "me", .password = "s3cret"},
                                 {.username = "me", .identity_token = "s3cret"},
                                 {.registry_token = "s3cret"}};
  for (const char* challenge :
       {"Basic realm=\"m\"",
        "Bearer realm=\"https://auth.example/token\",service=\"s\""}) {
    for (const Credentials& credentials : secrets) {
      const size_t before = registry_.requests().size();
      Fail(1, {.status = 401, .headers = {{"WWW-Authenticate", challenge}}});
      registry_.faults.push_back(
          [](const http::Request& request) -> std::optional<Answer> {
            if (absl::StartsWith(request.url, "https://auth.")) {
              return Answer{.body = R"({"token":"anonymous"})"};
            }
            return std::nullopt;
          });
      EXPECT_OK(
          Client(credentials).FetchManifest(Ref(), std::nullopt, nullptr));
      const auto requests = registry_.requests();
      for (size_t i = before; i < requests.size(); ++i) {
        if (absl::StartsWith(requests[i].url, "https://r.example/")) continue;
        EXPECT_THAT(requests[i].headers.Get("Authorization"),
                    AnyOf(IsEmpty(), "Bearer anonymous"));
        EXPECT_THAT(requests[i].body, IsEmpty());
      }
    }
  }
}

TEST_F(MirrorTest, MirrorOfContentIsNotAskedWhatATagMeans) {
  Configure(R"([host."https://mirror.example"]
               capabilities = ["pull"])");
  registry_.more_hosts = {"mirror.example"};
  RegistryClient client = Client();
  ASSERT_OK_AND_ASSIGN(FetchedManifest manifest,
                       client.FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_EQ(manifest.body, kManifest);
  EXPECT_EQ(registry_.requests().at(0).method, http::Method::kHead);
  EXPECT_THAT(Urls(), ElementsAre("https://r.example" + path_,
                                  "https://mirror.example/v2/a/b/manifests/" +
                                      DigestOf(kManifest).ToString() +
                                      "?ns=r.example"));
}

TEST_F(MirrorTest, BlobThatAMirrorCannotFinishComesFromTheRegistry) {
  registry_.more_hosts = {"mirror.example"};
  Break(1, 3000);
  Break(1, 0);
  RegistryClient client = Client();
  EXPECT_TRUE(*ReadBlob(&client) == blob_);
  const auto urls = Urls();
  ASSERT_THAT(urls, SizeIs(3));
  EXPECT_THAT(urls[1], StartsWith("https://mirror.example/"));
  EXPECT_THAT(urls[2], StartsWith("https://r.example/"));
  EXPECT_EQ(registry_.requests()[2].range->first, 3000);
}

// Fails if AskHost takes every 206 for an answer.
TEST_F(MirrorTest, PartThatNobodyAskedForIsLeftForTheRegistrysWhole) {
  RegistryClient client = Client();
  Fail(1, {.status = 206, .body = blob_});
  EXPECT_TRUE(*ReadBlob(&client) == blob_);
  Fail(1, {.status = 206, .body = kManifest});
  EXPECT_OK(client.FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_THAT(Urls(), ElementsAre(StartsWith("https://mirror.example/"),
                                  StartsWith("https://r.example/"),
                                  StartsWith("https://mirror.example/"),
                                  StartsWith("https://r.example/")));
}

TEST_F(MirrorTest, MistakeInTheSettingsIsTold) {
  Configure("server = 1");
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, nullptr),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("/r.example/hosts.toml:1: server: ")));
  EXPECT_THAT(registry_.requests(), IsEmpty());
}

}  // namespace
}  // namespace gantry::image
