#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/testing/registry_client_case.h"

namespace gantry::image {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

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

}  // namespace
}  // namespace gantry::image
