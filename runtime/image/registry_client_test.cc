#include "runtime/image/registry_client.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/testing/registry_client_case.h"

namespace gantry::image {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST_F(RegistryClientTest, FetchesByTagAndByDigest) {
  RegistryClient client = Client();
  ASSERT_OK_AND_ASSIGN(FetchedManifest manifest,
                       client.FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_EQ(manifest.body, kManifest);
  EXPECT_EQ(manifest.media_type, kOciManifestType);
  EXPECT_EQ(manifest.digest, DigestOf(kManifest));
  const http::Request sent = registry_.requests().at(0);
  EXPECT_EQ(sent.url, "https://r.example/v2/a/b/manifests/v1");
  EXPECT_THAT(sent.headers.Get("Accept"),
              HasSubstr(std::string(kOciIndexType)));
  EXPECT_OK(client.FetchManifest(Ref(), DigestOf(kManifest), nullptr));
  EXPECT_THAT(registry_.requests().at(1).url,
              HasSubstr(DigestOf(kManifest).ToString()));
  EXPECT_THAT(client.HeadManifest(Ref(), nullptr),
              IsOkAndHolds(DigestOf(kManifest)));
}

TEST_F(RegistryClientTest, WrongDigestIsDataLoss) {
  Fail(1, {.body = "{}"});
  EXPECT_THAT(Client().FetchManifest(Ref(), DigestOf(kManifest), nullptr),
              StatusIs(absl::StatusCode::kDataLoss));
  Fail(
      1,
      {.body = "{}",
       .headers = {{"Docker-Content-Digest", DigestOf(kManifest).ToString()}}});
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, nullptr),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(RegistryClientTest, DockerHubHasItsOwnHost) {
  Client()
      .FetchManifest(Ref("busybox"), std::nullopt, nullptr)
      .status()
      .IgnoreError();
  EXPECT_THAT(
      registry_.requests().at(0).url,
      StartsWith(
          "https://registry-1.docker.io/v2/library/busybox/manifests/latest"));
}

TEST_F(RegistryClientTest, PlainHttpOnlyForLoopbackAndConfiguredHosts) {
  options_.insecure_hosts = {"plain.example", "port.example:5000"};
  const auto scheme = [&](const char* ref) {
    FakeRegistry registry("x");
    RegistryClient client(&registry, options_, {});
    client.FetchManifest(Ref(ref), std::nullopt, nullptr)
        .status()
        .IgnoreError();
    const std::string url = registry.requests().at(0).url;
    return url.substr(0, url.find(':'));
  };
  EXPECT_EQ(scheme("localhost:5000/a"), "http");
  EXPECT_EQ(scheme("127.0.0.1:5000/a"), "http");
  EXPECT_EQ(scheme("[::1]:5000/a"), "http");
  EXPECT_EQ(scheme("plain.example/a"), "http");
  EXPECT_EQ(scheme("port.example:5000/a"), "http");
  EXPECT_EQ(scheme("port.example/a"), "https");
  EXPECT_EQ(scheme("localhost:443/a"), "https");
  EXPECT_EQ(scheme("10.0.0.1:5000/a"), "https");
  EXPECT_EQ(scheme("localhost.example/a"), "https");
}

TEST_F(RegistryClientTest, ErrorCarriesTheRegistrysWords) {
  Fail(1, {.status = 404,
           .body = R"({"errors":[{"code":"MANIFEST_UNKNOWN",)"
                   R"("message":"no\nsuch"}]})"});
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, nullptr),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("(MANIFEST_UNKNOWN: no\\nsuch)")));
}

TEST_F(RegistryClientTest, OutagesAreRetriedWithBackOffThenFail) {
  Fail(2, {.status = 503});
  Fail(1, {.status = -1});
  EXPECT_OK(Client().FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_EQ(slept_, absl::Milliseconds(250 + 500 + 1000));
  Fail(5, {.status = 500});
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, nullptr),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(registry_.requests(), SizeIs(4 + 5));
}

TEST_F(RegistryClientTest, RateLimitWaitsAsLongAsTheRegistrySays) {
  Fail(1, {.status = 429, .headers = {{"Retry-After", "7"}}});
  EXPECT_OK(Client().FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_EQ(slept_, absl::Seconds(7));
  Fail(1, {.status = 429, .headers = {{"Retry-After", "999999999999"}}});
  slept_ = absl::ZeroDuration();
  EXPECT_OK(Client().FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_EQ(slept_, absl::Minutes(1));
}

TEST_F(RegistryClientTest, CancelEndsTheWaiting) {
  Fail(5, {.status = 503});
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, [] { return true; }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(slept_, absl::ZeroDuration());
}

TEST_F(RegistryClientTest, ManifestWithoutEndIsCut) {
  Fail(1, {.body = std::string(kMaxManifestBytes + 1, ' ')});
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, nullptr),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace gantry::image
