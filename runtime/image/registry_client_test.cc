#include "runtime/image/registry_client.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/testing/fake_registry.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Answer = FakeRegistry::Answer;

constexpr char kManifest[] = R"({"schemaVersion":2})";

class RegistryClientTest : public ::testing::Test {
 protected:
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

TEST_F(RegistryClientTest, AnonymousTokenIsFetchedOnceForReadingOnly) {
  registry_.token = "t0ken";
  RegistryClient client = Client();
  ASSERT_OK(client.FetchManifest(Ref(), std::nullopt, nullptr));
  ASSERT_OK(client.FetchManifest(Ref(), std::nullopt, nullptr));
  const auto requests = registry_.requests();
  ASSERT_THAT(requests, SizeIs(4));  // 401, token, manifest, manifest
  EXPECT_EQ(requests[1].url,
            "https://auth.example/token?service=s&scope=repository%3Aa%2Fb%3A"
            "pull");
  EXPECT_THAT(requests[1].headers.Get("Authorization"), IsEmpty());
}

TEST_F(RegistryClientTest, TokenEndsWithItsTime) {
  absl::Time now = absl::FromUnixSeconds(1000);
  options_.now = [&now] { return now; };
  registry_.token = "t0ken";
  registry_.expires_in = 300;
  RegistryClient client = Client();
  ASSERT_OK(client.FetchManifest(Ref(), std::nullopt, nullptr));
  now += absl::Seconds(290);
  ASSERT_OK(client.FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_THAT(registry_.requests(), SizeIs(4));
  now += absl::Seconds(10);
  ASSERT_OK(client.FetchManifest(Ref(), std::nullopt, nullptr));
  const auto requests = registry_.requests();
  ASSERT_THAT(requests, SizeIs(7));
  EXPECT_THAT(requests[4].headers.Get("Authorization"), IsEmpty());
}

TEST_F(RegistryClientTest, TokenThatEndsWithinABlobIsRenewed) {
  registry_.token = "first";
  RegistryClient client = Client();
  ASSERT_OK(client.FetchManifest(Ref(), std::nullopt, nullptr));
  Break(1, 3000);
  registry_.faults.push_back([this](const http::Request&) {
    registry_.token = "second";
    return std::nullopt;
  });
  EXPECT_TRUE(*ReadBlob(&client) == blob_);
  const auto requests = registry_.requests();
  // 401, token, manifest; blob, 401, token, rest of the blob.
  ASSERT_THAT(requests, SizeIs(7));
  EXPECT_EQ(requests[6].range->first, 3000);
  EXPECT_EQ(requests[6].headers.Get("Authorization"), "Bearer second");
}

TEST_F(RegistryClientTest, OutageOfTheTokenServerPasses) {
  registry_.token = "t0ken";
  registry_.faults.push_back([](const http::Request&) { return std::nullopt; });
  Fail(1, {.status = 503});
  EXPECT_OK(Client().FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_GT(slept_, absl::ZeroDuration());
}

TEST_F(RegistryClientTest, CredentialsGoToTheTokenServer) {
  registry_.token = "t0ken";
  registry_.basic = "Basic " + absl::Base64Escape("me:secret");
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, nullptr),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(
      Client({.username = "me", .password = "wrong"})
          .FetchManifest(Ref(), std::nullopt, nullptr),
      StatusIs(absl::StatusCode::kPermissionDenied, Not(HasSubstr("wrong"))));
  EXPECT_OK(Client({.username = "me", .password = "secret"})
                .FetchManifest(Ref(), std::nullopt, nullptr));
  for (const http::Request& request : registry_.requests()) {
    if (!absl::StartsWith(request.url, registry_.realm)) {
      EXPECT_THAT(request.headers.Get("Authorization"),
                  Not(StartsWith("Basic")));
    }
  }
}

TEST_F(RegistryClientTest, TokenServerWithoutTlsGetsNothing) {
  registry_.token = "t0ken";
  for (const char* realm :
       {"http://auth.example/token", "http://127.0.0.1/token",
        "https://169.254.169.254/token", "https://localhost/token",
        "file:///etc/passwd", "", "http://r.example/token"}) {
    registry_.realm = realm;
    const size_t before = registry_.requests().size();
    EXPECT_THAT(Client({.username = "me", .password = "secret"})
                    .FetchManifest(Ref(), std::nullopt, nullptr),
                Not(IsOk()))
        << realm;
    EXPECT_EQ(registry_.requests().size(), before + 1) << realm;
  }
}

TEST_F(RegistryClientTest, BasicAuthentication) {
  Fail(1,
       {.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"r\""}}});
  EXPECT_OK(Client({.username = "me", .password = "secret"})
                .FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_EQ(registry_.requests().at(1).headers.Get("Authorization"),
            "Basic " + absl::Base64Escape("me:secret"));
  Fail(1,
       {.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"r\""}}});
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, nullptr),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(RegistryClientTest, RegistryTokenIsSentAtOnce) {
  registry_.token = "given";
  EXPECT_OK(Client({.registry_token = "given"})
                .FetchManifest(Ref(), std::nullopt, nullptr));
  EXPECT_THAT(registry_.requests(), SizeIs(1));
}

TEST_F(RegistryClientTest, IdentityTokenIsExchangedAtTheTokenServerOnly) {
  registry_.token = "t0ken";
  registry_.refresh_token = "refresh";
  EXPECT_OK(Client({.username = "<token>", .identity_token = "refresh"})
                .FetchManifest(Ref(), std::nullopt, nullptr));
  const auto requests = registry_.requests();
  ASSERT_THAT(requests, SizeIs(3));  // 401, token, manifest
  EXPECT_EQ(requests[1].url, registry_.realm);
  EXPECT_EQ(requests[1].body,
            "grant_type=refresh_token&client_id=gantry&service=s&"
            "scope=repository%3Aa%2Fb%3Apull&refresh_token=refresh");
  EXPECT_EQ(requests[1].headers.Get("Content-Type"),
            "application/x-www-form-urlencoded");
  EXPECT_EQ(requests[1].max_redirects, 0);
  for (size_t i : {0, 2}) {
    EXPECT_THAT(requests[i].body, IsEmpty());
    EXPECT_THAT(requests[i].headers.Get("Authorization"),
                Not(HasSubstr("refresh")));
  }
  EXPECT_THAT(
      Client({.identity_token = "stale"})
          .FetchManifest(Ref(), std::nullopt, nullptr),
      StatusIs(absl::StatusCode::kPermissionDenied, Not(HasSubstr("stale"))));
}

TEST_F(RegistryClientTest, ErrorCarriesTheRegistrysWords) {
  Fail(1, {.status = 404,
           .body = R"({"errors":[{"code":"MANIFEST_UNKNOWN",)"
                   R"("message":"no\nsuch"}]})"});
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, nullptr),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("(MANIFEST_UNKNOWN: no\\nsuch)")));
}

TEST_F(RegistryClientTest, SecretsThatTheRegistryRepeatsAreNotShown) {
  Fail(1,
       {.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"r\""}}});
  registry_.faults.push_back([](const http::Request& request) {
    return Answer{.status = 403,
                  .body = absl::StrCat(
                      R"({"errors":[{"code":"DENIED","message":"me/)", "s3cret",
                      " ", request.headers.Get("Authorization"),
                      std::string(280, '.'), "s3cret\"}]}")};
  });
  const absl::Status status = Client({.username = "me", .password = "s3cret"})
                                  .FetchManifest(Ref(), std::nullopt, nullptr)
                                  .status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied,
                               HasSubstr("DENIED: me/*** Basic ***.")));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("s3c")));
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

TEST_F(RegistryClientTest, BrokenTransferIsTakenUpWhereItBroke) {
  Break(3, 3000);
  RegistryClient client = Client();
  EXPECT_TRUE(*ReadBlob(&client) == blob_);
  const auto requests = registry_.requests();
  ASSERT_THAT(requests, SizeIs(4));
  EXPECT_EQ(requests[1].range->first, 3000);
  EXPECT_EQ(requests[2].range->first, 6000);
  EXPECT_EQ(requests[3].range->first, 9000);
}

TEST_F(RegistryClientTest, ServerWithoutRangesBeginsAnew) {
  Break(1, 3000);
  registry_.ranges = false;
  RegistryClient client = Client();
  EXPECT_TRUE(*ReadBlob(&client) == blob_);
}

TEST_F(RegistryClientTest, TransferWithoutProgressFailsInTheEnd) {
  Break(100, 0);
  RegistryClient client = Client();
  EXPECT_THAT(ReadBlob(&client), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_LE(registry_.requests().size(), 10u);
}

TEST_F(RegistryClientTest, LiesAboutTheLengthAreNoticed) {
  RegistryClient client = Client();
  Fail(1, {.body = blob_ + "more"});
  EXPECT_THAT(ReadBlob(&client), StatusIs(absl::StatusCode::kDataLoss));
  // Always too short, with a clean end.
  Fail(100, {.body = blob_.substr(0, 10)});
  EXPECT_THAT(ReadBlob(&client), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RegistryClientTest, WrongRangesAreNotBelieved) {
  for (const char* range : {"bytes 2000-9999/10000", "bytes 3000-9999/9999",
                            "bytes 3000-10000/10000", "3000-9999/10000", ""}) {
    Break(1, 3000);
    Fail(1, {.status = 206,
             .body = blob_.substr(2000),
             .headers = {{"Content-Range", range}}});
    RegistryClient client = Client();
    EXPECT_TRUE(*ReadBlob(&client) == blob_) << range;
    EXPECT_FALSE(registry_.requests().back().range) << range;
  }
}

TEST_F(RegistryClientTest, RangeThatNobodyAskedForIsRefused) {
  Fail(1, {.status = 206, .body = blob_});
  RegistryClient client = Client();
  EXPECT_THAT(ReadBlob(&client), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(RegistryClientTest, OutageInTheMiddleOfABlobIsBounded) {
  Break(1, 3000);
  Fail(100, {.status = 503});
  RegistryClient client = Client();
  EXPECT_THAT(ReadBlob(&client),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("HTTP 503")));
  EXPECT_THAT(registry_.requests(), SizeIs(1 + 5));
}

TEST_F(RegistryClientTest, CrumbsDoNotLastForEver) {
  Break(1000, 1);
  RegistryClient client = Client();
  EXPECT_THAT(ReadBlob(&client), StatusIs(absl::StatusCode::kUnavailable,
                                          HasSubstr("after 5 failures")));
  EXPECT_THAT(registry_.requests(), SizeIs(5));
}

TEST_F(RegistryClientTest, BreakBehindTheLastByteDoesNotMatter) {
  Break(1, blob_.size());
  RegistryClient client = Client();
  EXPECT_TRUE(*ReadBlob(&client) == blob_);
  EXPECT_THAT(registry_.requests(), SizeIs(1));
}

TEST_F(RegistryClientTest, CancelEndsTheWaiting) {
  Fail(5, {.status = 503});
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, [] { return true; }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(slept_, absl::ZeroDuration());
}

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

TEST_F(MirrorTest, MistakeInTheSettingsIsTold) {
  Configure("server = 1");
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, nullptr),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("/r.example/hosts.toml:1: server: ")));
  EXPECT_THAT(registry_.requests(), IsEmpty());
}

TEST_F(RegistryClientTest, ManifestWithoutEndIsCut) {
  Fail(1, {.body = std::string(kMaxManifestBytes + 1, ' ')});
  EXPECT_THAT(Client().FetchManifest(Ref(), std::nullopt, nullptr),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace gantry::image
